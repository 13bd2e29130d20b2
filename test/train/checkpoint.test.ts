import { memoryFiles } from '../../src/io'
import { assert, test } from '../harness'
import { tinyFiles } from '../tiny'
import { bytes, checkpoints, fullDisk, losses, type Run, start } from './start'

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
  const { trainingLoss } = await whole.train()
  for (const config of [{ peftType: 'CONDLORA' }] as const) {
    const files = memoryFiles('run')
    const first = await start({ model, args, files, config })
    const stop = new AbortController()
    first.on('checkpoint', ({ step }) => step === 6 && stop.abort(new Error('enough')))
    await assert.rejects(first.train({ signal: stop.signal }), /enough/)
    const second = await start({ model, args, files, config })
    const steps: number[] = []
    second.on('step', ({ step, totalSteps }) => steps.push(step, totalSteps))
    const resumed = await second.train({ resumeFromCheckpoint: true })
    assert.is(resumed.globalStep, 10)
    assert.equal(steps, [7, 10, 8, 10, 9, 10, 10, 10])
    assert.ok(Math.abs(resumed.trainingLoss - trainingLoss) < 1e-9, 'of all steps')
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

test('a checkpoint of another run is refused with what differs, and nothing is changed', async () => {
  const files = memoryFiles('run')
  const args = { saveSteps: 5, maxSteps: 5 }
  await (await start({ args, files })).train()
  const refused = async (run: Run, message: RegExp) => {
    const trainer = await start({ args, files, ...run })
    const before = await bytes(trainer)
    await assert.rejects(trainer.train({ resumeFromCheckpoint: true }), message)
    assert.equal(await bytes(trainer), before)
  }
  await refused({ rows: 25 }, /run\/checkpoint-5 belongs to another run: data rows was 24, is 25; data was \w{16}, is \w{16}\. Go on/)
  await refused({ config: { peftType: 'CONDLORA', r: 4 } }, /trained parameters was \d+, is \d+; adapter config: r was 8, is 4\. Go on/)
  await refused({ args: { ...args, learningRate: 1e-3 } }, /another run: learningRate was 0\.01, is 0\.001\. Go on/)
  await refused({ args: { ...args, warmupSteps: 2 } }, /another run: warm-up steps was 1, is 2\. Go on/)
  await refused({ model: { hidden_dropout_prob: 0.2 } }, /base config: hiddenDropoutProb was 0, is 0\.2;/)
  // The same shapes with one other weight.
  const base = tinyFiles()
  const weights = await base.read('model.safetensors')
  weights[weights.length - 3] ^= 1
  await base.write('model.safetensors', weights)
  await refused({ base }, /another run: base weights was \w{16}, is \w{16}\. Go on/)
})

test('a signal stops after the step, and the checkpoint is there', async () => {
  const files = memoryFiles('run')
  const trainer = await start({ files, args: { saveStrategy: 'no' } })
  const stop = new AbortController()
  trainer.on('log', ({ step }) => step === 3 && stop.abort(new Error('stopped by hand')))
  await assert.rejects(trainer.train({ signal: stop.signal }), /stopped by hand/)
  assert.ok((await files.list()).some((f) => f.startsWith('checkpoint-')))
})

test('a signal during an evaluation ends it; the evaluation is made when training goes on, and the best is the same', async () => {
  const args = { evalStrategy: 'steps', evalSteps: 2, loadBestModelAtEnd: true, perDeviceEvalBatchSize: 4, maxSteps: 6 } as const
  const whole = await start({ args })
  await whole.train()
  const files = memoryFiles('run')
  const first = await start({ args, files })
  const stop = new AbortController()
  let batches = 0
  first.on('progress', ({ task, done, total }) => {
    if (task === 'evaluate') batches++
    if (done < total && first.logHistory.some((e) => e.step === 4 && 'loss' in e)) stop.abort(new Error('enough'))
  })
  await assert.rejects(first.train({ signal: stop.signal }), /enough/)
  assert.is(first.logHistory.filter((e) => 'evalLoss' in e).length, 1, 'the second evaluation was not finished')
  assert.ok(batches < 12, `${batches} batches were evaluated`)
  assert.equal(await checkpoints(files), [4])
  const second = await start({ args, files })
  await second.train({ resumeFromCheckpoint: true })
  assert.equal(
    second.logHistory.map(({ step, evalLoss }) => [step, evalLoss]),
    whole.logHistory.map(({ step, evalLoss }) => [step, evalLoss]),
  )
  assert.equal(await bytes(second), await bytes(whole))
})

test('saveTotalLimit: the newest and the best stay, the oldest go first; half-written files go too', async () => {
  // A learning rate of 0: no evaluation is better than the first, that of step 1.
  const args = { maxSteps: 6, saveSteps: 1, learningRate: 0 }
  const kept = async (more: Record<string, unknown>) => {
    const files = memoryFiles('run')
    await files.write('checkpoint-2/optimizer.safetensors.17-1.tmp', new Uint8Array(3))
    await files.write('notes.txt', new Uint8Array(3))
    await (await start({ files, args: { ...args, ...more } })).train()
    const left = await files.list()
    assert.ok(left.includes('notes.txt'))
    assert.is(left.filter((f) => f.endsWith('.tmp')).length, 0)
    return checkpoints(files)
  }
  const best = { evalStrategy: 'steps', evalSteps: 1 }
  assert.equal(await kept({}), [1, 2, 3, 4, 5, 6])
  assert.equal(await kept({ saveTotalLimit: 2 }), [5, 6])
  assert.equal(await kept({ saveTotalLimit: 1 }), [6])
  assert.equal(await kept({ saveTotalLimit: 3, ...best }), [1, 5, 6])
  assert.equal(await kept({ saveTotalLimit: 2, ...best }), [1, 6])
  assert.equal(await kept({ saveTotalLimit: 1, ...best }), [1, 6])
})

test('saveTotalLimit wants a place that can delete', async () => {
  const { remove: _, ...files } = memoryFiles('run')
  await assert.rejects(start({ files, args: { saveTotalLimit: 1 } }), /saveTotalLimit wants files with a remove method, run has none/)
})

test('a checkpoint whose write fails is not taken for one: the run ends, names the last good one, and goes on to the same bytes', async () => {
  const args = { maxSteps: 6, saveSteps: 2, evalStrategy: 'steps', evalSteps: 2, loadBestModelAtEnd: true } as const
  const whole = await start({ args })
  await whole.train()
  const wanted = await bytes(whole)
  // Adapter, its configuration, moments, best numbers, state: five writes a checkpoint; the second one fails in each of them.
  for (let n = 5; n < 10; n++) {
    const files = fullDisk('run', n)
    const first = await start({ args, files })
    await assert.rejects(
      first.train(),
      /train: the checkpoint of step 4 was not written: cannot write run\/.*: the disk is full\. Last good checkpoint: run\/checkpoint-2: go on/,
    )
    first.dispose()
    const second = await start({ args, files })
    const steps: number[] = []
    second.on('log', ({ step }) => steps.push(step))
    await second.train({ resumeFromCheckpoint: true })
    assert.equal(steps, [3, 4, 5, 6], `write ${n}`)
    assert.equal(await bytes(second), wanted, `write ${n}`)
    second.dispose()
  }
})

test('a damaged checkpoint asked for by name is refused; so are numbers that are not finite, before anything is written', async () => {
  const files = memoryFiles('run')
  const args = { saveSteps: 2, maxSteps: 2 }
  await (await start({ args, files })).train()
  const content = await files.read('checkpoint-2/adapter_model.safetensors')
  content[content.length - 1] ^= 1
  await files.write('checkpoint-2/adapter_model.safetensors', content)
  const again = await start({ args, files })
  await assert.rejects(
    again.train({ resumeFromCheckpoint: 'checkpoint-2' }),
    /run\/checkpoint-2\/adapter_model\.safetensors: the file is not as it was written/,
  )
  const other = memoryFiles('other')
  const trainer = await start({ args, files: other })
  const bias = trainer.model.parameters.get('classifier.out_proj.bias')
  trainer.on('log', ({ step }) => step === 2 && bias.write([0, Number.POSITIVE_INFINITY]))
  await assert.rejects(trainer.train(), /other\/checkpoint-2: classifier\.out_proj\.bias: number 1 is Infinity: nothing was written/)
  assert.equal(await other.list(), [])
})

test('a checkpoint goes on in smaller batches of the same steps, and says so; other steps are another run', async () => {
  const files = memoryFiles('run')
  const args = { saveSteps: 5, maxSteps: 10 } as const
  const whole = await start({ args, files })
  await whole.train()
  await files.remove?.('checkpoint-10/trainer_state.json')
  const notices: string[] = []
  const notice = (text: string) => notices.push(text)
  const parts = await start({ files, notice, args: { ...args, perDeviceTrainBatchSize: 2, gradientAccumulationSteps: 2 } })
  assert.is((await parts.train({ resumeFromCheckpoint: true })).globalStep, 10)
  assert.match(notices.join(), /run\/checkpoint-5 with the same steps in other parts \(perDeviceTrainBatchSize was 4, is 2; gradientAcc/)
  assert.is(losses(parts).length, 10)
  assert.close(losses(parts), losses(whole), 1e-4, 'losses')
  const other = await start({ files, args: { ...args, perDeviceTrainBatchSize: 2, gradientAccumulationSteps: 1 } })
  await assert.rejects(
    other.train({ resumeFromCheckpoint: 'checkpoint-5' }),
    /belongs to another run: perDeviceTrainBatchSize was 4, is 2\. Go on/,
  )
})
