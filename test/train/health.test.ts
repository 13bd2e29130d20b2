import { type Files, memoryFiles, openSafetensors } from '../../src/io'
import { epochOrder } from '../../src/train/examples'
import { assert, test } from '../harness'
import { tinyFiles, wordTask } from '../tiny'
import { bytes, start } from './start'

test('a step that is not finite stops the run, changes nothing, and names step and checkpoint', async () => {
  const files = memoryFiles('run')
  const trainer = await start({ files, args: { saveSteps: 2 } })
  const head = trainer.model.parameters.get('classifier.out_proj.weight')
  let before: Promise<number[]> | undefined
  trainer.on('checkpoint', ({ step }) => {
    if (step !== 4) return
    head.write(new Float32Array(head.size).fill(Number.NaN))
    before = bytes(trainer)
  })
  await assert.rejects(
    trainer.train(),
    /train: step 5: loss NaN and gradient norm NaN are not finite.*first bad tensor: the trained tensor classifier\.out_proj\.weight \(number 0 of 40 is NaN\).*Last good checkpoint: run\/checkpoint-4/,
  )
  assert.equal(await bytes(trainer), await before)
  assert.equal(
    (await files.list()).filter((f) => f.endsWith('trainer_state.json')).sort(),
    [2, 4].map((n) => `checkpoint-${n}/trainer_state.json`),
  )
})

test('a bad step is noticed later, but nothing after it has changed anything; its batch is looked at again', async () => {
  // Dropout and accumulation: the same numbers come only from the same micro-batches at the same count.
  const model = { id2label: { 0: 'score' }, hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1 }
  const args = { perDeviceTrainBatchSize: 2, gradientAccumulationSteps: 2, loggingSteps: 9, lrSchedulerType: 'constant' } as const
  const { rows, columns } = wordTask(23)
  const row = epochOrder(23, 42, 0)[4 * 4 + 3] // in the second batch of step 5
  const trainDataset = { columns, rows: rows.map((r, i) => (i === row ? { ...r, label: 1e30 } : r)) }
  const trainer = await start({ model, trainDataset, args: { ...args, maxSteps: 18 } })
  const steps: number[] = []
  trainer.on('log', ({ step }) => steps.push(step))
  await assert.rejects(
    trainer.train(),
    /train: step 5: loss Infinity and gradient norm \d\.\d+e\+\d\d are not finite in float32; first bad tensor: none; the gradient of .* has the largest number, \d\.\d+e\+\d\d\. .*checkpoint: none\. Try a smaller learningRate than 0\.01/,
  )
  assert.equal(steps, [])
  const good = await start({ model, trainDataset, args: { ...args, maxSteps: 4 } })
  await good.train()
  assert.equal(await bytes(trainer), await bytes(good))
  // It can be used again, from its first step on.
  await assert.rejects(trainer.train(), /train: step 5: /)
})

/** The tiny model's files after `change` of the tensors whose names match. */
async function changedBase(name: RegExp, change: (bytes: Uint8Array) => void): Promise<Files> {
  const files = tinyFiles()
  const bytes = await files.read('model.safetensors')
  for (const entry of (await openSafetensors(files, 'model.safetensors')).values())
    if (name.test(entry.name)) change(bytes.subarray(entry.start, entry.end))
  await files.write('model.safetensors', bytes)
  return files
}

test('a base weight that is not finite is named', async () => {
  const base = await changedBase(/layer\.1\.output\.dense\.weight/, (weight) => weight.fill(0xff, 8, 12))
  const trainer = await start({ base })
  await assert.rejects(
    trainer.train(),
    /train: step 1: loss .*first bad tensor: the base weight encoder\.layer\.1\.output\.dense\.weight \(number 2 /,
  )
})

test('a trained tensor without a gradient stops the run by name after two updates; allowZeroGrad makes it a notice', async () => {
  // CondLoRA multiplies W0: where that is zero, nothing is learnt.
  const base = await changedBase(/self\.value\.weight/, (weight) => weight.fill(0))
  const notices: string[] = []
  const notice = (text: string) => notices.push(text)
  const error =
    /train: step (\d+): wanted a gradient in every trained tensor, got exactly zero in all of conversion\.attention\.self\.value\.theta_A, conversion\.attention\.self\.value\.theta_B/
  // The first step of a warm-up has a learning rate of 0 and does not count.
  for (const warmupSteps of [0, 1]) {
    const trainer = await start({ base, notice, args: { warmupSteps } })
    await assert.rejects(trainer.train(), error)
    assert.is(trainer.logHistory.length, 2 + warmupSteps)
  }
  assert.equal(notices, [])
  const { globalStep } = await (await start({ base, notice, args: { allowZeroGrad: true, maxSteps: 4 } })).train()
  assert.is(globalStep, 4)
  assert.is(notices.length, 1)
  assert.match(notices[0], error)
})
