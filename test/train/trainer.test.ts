import { getPeftModel, type PeftConfig } from '../../src/peft'
import { Trainer } from '../../src/train'
import { assert, openTestDevice, test } from '../harness'
import { miniTokenizer, tinyModel, wordTask } from '../tiny'
import { bytes, losses, small, start } from './start'

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

test('an evaluation ends with its signal, and leaves no trace', async () => {
  const trainer = await start({ args: { perDeviceEvalBatchSize: 1 } })
  const stop = new AbortController()
  const end = trainer.on('progress', ({ task, done }) => task === 'evaluate' && done >= 2 && stop.abort(new Error('enough')))
  await assert.rejects(trainer.evaluate(undefined, { signal: stop.signal }), /enough/)
  await assert.rejects(trainer.evaluate(undefined, { signal: stop.signal }), /enough/)
  end()
  assert.is(trainer.logHistory.length, 0)
  assert.ok((await trainer.evaluate(undefined, { signal: new AbortController().signal })).evalLoss > 0)
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
