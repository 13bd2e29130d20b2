import { memoryFiles } from '../../src/io'
import { Trainer } from '../../src/train'
import { assert, openTestDevice, test } from '../harness'
import { miniTokenizer, wordTask } from '../tiny'
import { adapted, bytes, losses, small, start } from './start'

test('train called again begins at step 0 with the model as it is; a fresh trainer on that model does the same', async () => {
  const args = { maxSteps: 5 }
  const trainer = await start({ args })
  await trainer.train()
  const once = { losses: losses(trainer), bytes: await bytes(trainer) }
  const { globalStep } = await trainer.train()
  assert.is(globalStep, 5)
  const twice = { losses: losses(trainer), bytes: await bytes(trainer) }
  assert.is(twice.losses.length, 5)
  assert.not.equal(twice.losses, once.losses)

  const model = await adapted()
  const options = { model, processingClass: await miniTokenizer(), trainDataset: wordTask(24), args: { ...small, ...args } }
  const [first, second] = [new Trainer(options), new Trainer(options)]
  await first.train()
  assert.equal(await bytes(first), once.bytes)
  await second.train()
  assert.equal(await bytes(second), twice.bytes)
  assert.equal(losses(second), twice.losses)
  // The first one's evaluation sees what the second one trained.
  const data = wordTask(20, 8)
  assert.equal((await first.evaluate(data)).evalLoss, (await second.evaluate(data)).evalLoss)
})

test('one model is trained by one at a time; a disposed trainer says so; a stop before the first step changes nothing', async () => {
  const trainer = await start()
  const other = new Trainer({ model: trainer.model, processingClass: await miniTokenizer(), trainDataset: wordTask(24), args: small })
  const stop = new AbortController()
  const running = trainer.train({ signal: stop.signal })
  await assert.rejects(other.train(), /train: this model is being trained already/)
  await assert.rejects(trainer.train(), /train: this model is being trained already/)
  stop.abort(new Error('enough'))
  await assert.rejects(running, /enough/)
  const before = await bytes(other)
  await assert.rejects(other.train({ signal: AbortSignal.abort(new Error('at once')) }), /at once/)
  assert.equal(await bytes(other), before)
  assert.is((await other.train()).globalStep, 10)
  other.dispose()
  await assert.rejects(other.train(), /train: this trainer was disposed/)
  await assert.rejects(other.evaluate(), /evaluate: this trainer was disposed/)
})

test('dispose gives everything back; the model and the device stay', async () => {
  const device = await openTestDevice({})
  const model = await adapted({ device })
  await device.sync()
  const { liveBytes, liveBuffers } = device.memory.stats
  for (let i = 0; i < 3; i++) {
    const trainer = new Trainer({
      model,
      processingClass: await miniTokenizer(),
      trainDataset: wordTask(24),
      evalDataset: wordTask(30, 9),
      args: { ...small, gradientAccumulationSteps: 2, maxSteps: 4, evalStrategy: 'steps', evalSteps: 2, loadBestModelAtEnd: true },
      files: memoryFiles('run'),
    })
    await trainer.train()
    assert.ok(device.memory.stats.liveBytes > liveBytes)
    trainer.dispose()
    trainer.dispose()
    await device.sync()
    const { stats } = device.memory
    assert.equal([stats.liveBytes, stats.liveBuffers], [liveBytes, liveBuffers], `time ${i}`)
  }
  assert.is((await model.predict(['money'], await miniTokenizer())).length, 1)
  device.destroy()
})

test('500 steps leave live bytes and buffers where they were; the loss is read at the log lines only', async () => {
  const device = await openTestDevice({})
  const trainer = await start({ device, rows: 64, args: { maxSteps: 500, loggingSteps: 50, learningRate: 1e-3 } })
  let reads = 0
  const read = device.read.bind(device)
  device.read = (...args) => {
    reads++
    return read(...args)
  }
  const live: string[] = []
  trainer.on('log', () => {
    const { liveBytes, liveBuffers } = device.memory.stats
    live.push(`${liveBytes} bytes in ${liveBuffers}`)
  })
  const begun = performance.now()
  await trainer.train()
  const seconds = (performance.now() - begun) / 1000
  assert.is(live.length, 10)
  assert.is(new Set(live).size, 1, live.join(', '))
  // Two numbers every ten steps, or every two seconds where steps are slow; the gradients once.
  const most = 2 * (500 / 10 + seconds / 2) + 3
  assert.ok(reads <= most, `${reads} reads in ${seconds} s, wanted at most ${most}`)
  device.destroy()
})
