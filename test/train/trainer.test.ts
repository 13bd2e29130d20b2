import { type Files, memoryFiles } from '../../src/io'
import { getPeftModel, type PeftConfig } from '../../src/peft'
import { Trainer, type TrainingArguments } from '../../src/train'
import { assert, openTestDevice, test } from '../harness'
import { miniTokenizer, tinyModel, wordTask } from '../tiny'

const small: TrainingArguments = { perDeviceTrainBatchSize: 4, learningRate: 1e-2, maxSteps: 10, loggingSteps: 1, warmupSteps: 1 }

interface Run {
  args?: TrainingArguments
  config?: PeftConfig
  files?: Files
  /** In config.json. */
  model?: Record<string, unknown>
  rows?: number
}

async function start({ args, config = { peftType: 'CONDLORA' }, files, model: changes, rows = 24 }: Run = {}): Promise<Trainer> {
  const model = await getPeftModel(await tinyModel(await openTestDevice(), changes), config)
  return new Trainer({
    model,
    processingClass: await miniTokenizer(),
    trainDataset: wordTask(rows),
    evalDataset: wordTask(30, 9),
    args: { ...small, ...args },
    files,
  })
}

const bytes = async (trainer: Trainer) => [...(await trainer.model.parameters.values.data())]
const losses = (trainer: Trainer) => trainer.logHistory.filter((e) => 'loss' in e).map((e) => e.loss)

test('every method learns: the loss falls, the metric rises', async () => {
  for (const config of [{ peftType: 'HEAD' }, { peftType: 'LORA' }, { peftType: 'CONDLORA' }] as PeftConfig[]) {
    const trainer = await start({ config, args: { maxSteps: 40, learningRate: 2e-2 } })
    const before = await trainer.evaluate(wordTask(24))
    const { globalStep, trainingLoss } = await trainer.train()
    const after = await trainer.evaluate(wordTask(24))
    assert.is(globalStep, 40)
    const all = losses(trainer)
    assert.is(all.length, 40)
    assert.ok(Math.abs(all.reduce((a, b) => a + b, 0) / 40 - trainingLoss) < 1e-6, 'trainingLoss is the mean')
    const share = config.peftType === 'HEAD' ? 0.95 : 0.6 // a random encoder gives the head little to go by
    assert.ok(after.evalLoss < share * before.evalLoss, `${config.peftType}: ${before.evalLoss} to ${after.evalLoss}`)
    trainer.dispose()
  }
})

test('two runs of one seed: the same losses and bytes, with dropout; another seed: others', async () => {
  const model = { hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1 }
  const run = async (seed: number) => {
    const trainer = await start({ model, config: { peftType: 'CONDLORA', loraDropout: 0.1 }, args: { seed } })
    await trainer.train()
    return { losses: losses(trainer), bytes: await bytes(trainer) }
  }
  const [a, b, c] = [await run(1), await run(1), await run(2)]
  assert.equal(a, b)
  assert.not.equal(a.losses, c.losses)
})

test('accumulation over unequal batches is one step over all their examples', async () => {
  const args = { perDeviceTrainBatchSize: 10, maxSteps: 4 }
  const whole = await start({ rows: 10, args })
  const parts = await start({ rows: 10, args: { ...args, perDeviceTrainBatchSize: 4, gradientAccumulationSteps: 3 } })
  await whole.train()
  await parts.train()
  assert.close(losses(parts), losses(whole), 1e-5)
  assert.close(await bytes(parts), await bytes(whole), 1e-4)
})

test('the last, shorter batch of an epoch is kept', async () => {
  const trainer = await start({ rows: 10, args: { maxSteps: undefined, numTrainEpochs: 2, perDeviceTrainBatchSize: 4 } })
  const { globalStep } = await trainer.train()
  assert.is(globalStep, 6)
})

test('a checkpoint goes on to the same bytes, also in the middle of an epoch and a log interval', async () => {
  const model = { hidden_dropout_prob: 0.1 }
  const args = {
    loggingSteps: 4,
    saveSteps: 3,
    saveStrategy: 'steps',
    evalStrategy: 'steps',
    evalSteps: 2,
    loadBestModelAtEnd: true,
  } as const
  const whole = await start({ model, args, files: memoryFiles('whole') })
  await whole.train()
  for (const config of [{ peftType: 'CONDLORA' }] as const) {
    const files = memoryFiles('run')
    const first = await start({ model, args, files, config })
    const stop = new AbortController()
    first.on('checkpoint', ({ step }) => step === 6 && stop.abort(new Error('enough')))
    await assert.rejects(first.train({ signal: stop.signal }), /enough/)
    const second = await start({ model, args, files, config })
    const { globalStep } = await second.train({ resumeFromCheckpoint: true })
    assert.is(globalStep, 10)
    assert.equal(await bytes(second), await bytes(whole))
    assert.equal(losses(second), losses(whole))
  }
})

test('a checkpoint without its last file, or with a damaged one, is passed over', async () => {
  const files = memoryFiles('run')
  const args = { saveSteps: 5, maxSteps: 10 }
  await (await start({ args, files })).train()
  const broken = memoryFiles('run')
  for (const name of await files.list()) {
    const content = await files.read(name)
    if (name === 'checkpoint-10/optimizer.safetensors') content[content.length - 1] ^= 1
    await broken.write(name, content)
  }
  const again = await start({ args, files: broken })
  const steps: number[] = []
  again.on('log', ({ step }) => steps.push(step))
  await again.train({ resumeFromCheckpoint: true })
  assert.equal(steps, [6, 7, 8, 9, 10])
})

test('a checkpoint of another run is refused with what differs', async () => {
  const files = memoryFiles('run')
  await (await start({ args: { saveSteps: 5 }, files })).train()
  const resume = async (run: Run) => (await start({ args: { saveSteps: 5 }, files, ...run })).train({ resumeFromCheckpoint: true })
  await assert.rejects(resume({ rows: 25 }), /belongs to another run: data was 24 rows.* is 25 rows/)
  await assert.rejects(resume({ config: { peftType: 'CONDLORA', r: 4 } }), /trained parameters was .* is /)
  await assert.rejects(resume({ args: { saveSteps: 5, learningRate: 1e-3 } }), /args was .*learningRate/)
})

test('a signal stops after the step, and the checkpoint is there', async () => {
  const files = memoryFiles('run')
  const trainer = await start({ files, args: { saveStrategy: 'no' } })
  const stop = new AbortController()
  trainer.on('log', ({ step }) => step === 3 && stop.abort(new Error('stopped by hand')))
  await assert.rejects(trainer.train({ signal: stop.signal }), /stopped by hand/)
  assert.ok((await files.list()).some((f) => f.startsWith('checkpoint-')))
})

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
  await assert.rejects(trainer.train(), /train: step 5: .*not finite.*Last good checkpoint: run\/checkpoint-4/)
  assert.equal(await bytes(trainer), await before)
  assert.equal(
    (await files.list()).filter((f) => f.endsWith('trainer_state.json')).sort(),
    [2, 4].map((n) => `checkpoint-${n}/trainer_state.json`),
  )
})

test('early stopping restores what was best', async () => {
  const trainer = await start({
    args: { maxSteps: 60, learningRate: 0.5, evalStrategy: 'steps', evalSteps: 1, earlyStoppingPatience: 3, loadBestModelAtEnd: true },
  })
  const { globalStep } = await trainer.train()
  const evaluated = trainer.logHistory.filter((e) => 'evalLoss' in e)
  const best = Math.min(...evaluated.map((e) => e.evalLoss))
  assert.ok(globalStep < 60, `stopped at ${globalStep}`)
  assert.is((await trainer.evaluate()).evalLoss, best)
})

test('regression: mean squared error falls, Pearson is reported', async () => {
  const model = { id2label: { 0: 'score' } }
  const trainer = await start({ model, args: { maxSteps: 30 } })
  assert.is(trainer.model.base.config.problemType, 'regression')
  const before = await trainer.evaluate()
  await trainer.train()
  const after = await trainer.evaluate()
  assert.ok(after.evalLoss < before.evalLoss)
  assert.ok(after.evalPearson > before.evalPearson)
})

test('bad arguments and data say what, wanted and got', async () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ perDeviceTrainBatchSize: 0 }, /training arguments: perDeviceTrainBatchSize: .*got 0/],
    [{ epochs: 3 }, /Unrecognized key: "epochs"/],
    [{ lrSchedulerType: 'linea' }, /lrSchedulerType: .*"linear".*got "linea"/],
    [{ loadBestModelAtEnd: true }, /loadBestModelAtEnd .*evalStrategy/],
  ]
  for (const [args, message] of cases) await assert.rejects(start({ args }), message)
  const trainer = await start({ model: { id2label: { 0: 'a', 1: 'b', 2: 'c' } } })
  await assert.rejects(
    trainer.train().then(() => trainer.evaluate({ rows: [{ text: 'x', label: 3 }], columns: { text: 't' } })),
    /row 0 .* label: wanted 0 to 2 .*got 3/,
  )
  await assert.rejects(trainer.evaluate({ rows: [{ text: 'x' }], columns: { text: 't' } }), /row 0 .* has no label/)
})

test('rows beyond the position table are truncated with a notice', async () => {
  const model = await getPeftModel(await tinyModel(await openTestDevice()), { peftType: 'LORA' })
  const notices: string[] = []
  const long = { text: 'money '.repeat(200), label: 1 }
  const trainer = new Trainer({
    model,
    processingClass: await miniTokenizer(),
    trainDataset: { rows: [long, { text: 'short', label: 0 }], columns: { text: 'text' } },
    args: { ...small, maxSteps: 1 },
    notice: (text) => notices.push(text),
  })
  await trainer.train()
  assert.equal(notices, ['1 of 2 rows were truncated to 64 tokens'])
})
