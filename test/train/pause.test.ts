import { memoryFiles } from '../../src/io'
import { assert, test } from '../harness'
import { bytes, checkpoints, start } from './start'

const model = { hidden_dropout_prob: 0.1 }
const args = { evalStrategy: 'steps', evalSteps: 4, loadBestModelAtEnd: true, perDeviceEvalBatchSize: 8 } as const

/** Some turns of the event loop. */
const turns = async (n: number) => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setTimeout(resolve, 1))
}

test('a pause holds the run after the step at hand, with a checkpoint; it goes on to the same bytes', async () => {
  const whole = await start({ model, args })
  await whole.train()
  const files = memoryFiles('run')
  const trainer = await start({ model, args, files })
  const steps: number[] = []
  const held: number[] = []
  let resting = 0
  trainer.on('step', ({ step }) => {
    steps.push(step)
    if (step === 3 || step === 4) trainer.pause()
  })
  trainer.on('pause', async ({ step, totalSteps }) => {
    held.push(step)
    assert.is(totalSteps, 10)
    const { submits } = trainer.model.device.pacer
    await turns(30)
    resting += trainer.model.device.pacer.submits - submits
    trainer.proceed()
  })
  const { trainRuntime } = await trainer.train()
  assert.equal(held, [3, 4])
  assert.is(resting, 0, 'submits while it held')
  assert.ok(trainRuntime > 0)
  assert.equal(
    steps,
    Array.from({ length: 10 }, (_, i) => i + 1),
  )
  assert.equal(await checkpoints(files), [3, 4, 10])
  assert.equal(await bytes(trainer), await bytes(whole))
})

test('a run that holds can be stopped: its checkpoint goes on to the same bytes; a pause before the first step holds there', async () => {
  const whole = await start({ model, args })
  await whole.train()
  const files = memoryFiles('run')
  const first = await start({ model, args, files })
  const stop = new AbortController()
  first.pause()
  const held: number[] = []
  first.on('pause', ({ step }) => {
    held.push(step)
    if (step === 0) first.proceed()
    else stop.abort(new Error('enough'))
  })
  first.on('step', ({ step }) => step === 6 && first.pause())
  await assert.rejects(first.train({ signal: stop.signal }), /enough/)
  assert.equal(held, [0, 6])
  assert.equal(await checkpoints(files), [6])
  const second = await start({ model, args, files })
  await second.train({ resumeFromCheckpoint: true })
  assert.equal(await bytes(second), await bytes(whole))
})
