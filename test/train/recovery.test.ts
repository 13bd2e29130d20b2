import { type Device, DeviceLostError } from '../../src/gpu'
import { type Files, memoryFiles } from '../../src/io'
import type { TrainingArguments } from '../../src/train'
import { type RecoverEvent, StepTimeoutError } from '../../src/train'
import { assert, openTestDevice, takeGpuErrors, test } from '../harness'
import { adapted, bytes, losses, start } from './start'

const model = { hidden_dropout_prob: 0.1 }
const args: TrainingArguments = {
  maxSteps: 8,
  saveSteps: 3,
  evalStrategy: 'steps',
  evalSteps: 4,
  loadBestModelAtEnd: true,
  loggingSteps: 2,
}

/** A run on a device of its own that opens another when it loses one. */
async function reopening(files?: Files, more: TrainingArguments = {}) {
  const devices: Device[] = []
  const open = async () => {
    const device = await openTestDevice({})
    devices.push(device)
    return device
  }
  const trainer = await start({
    ...{ model, files, args: { ...args, ...more } },
    device: await open(),
    reopen: async () => adapted({ model, device: await open() }),
  })
  const events: RecoverEvent[] = []
  trainer.on('recover', (event) => events.push(event))
  const end = () => {
    for (const device of devices) device.destroy()
    return takeGpuErrors()
  }
  return { trainer, devices, events, end }
}

const lose = (device: Device) => device.gpu.destroy()

test('a lost device: training goes on on a new one from the last checkpoint, or from the start, to the same bytes', async () => {
  const whole = await start({ model, args })
  await whole.train()
  const wanted = await bytes(whole)
  const cases = [
    { at: 4, from: 'run/checkpoint-3', files: memoryFiles('run') },
    { at: 2, from: 'the start', files: memoryFiles('run') },
    { at: 6, from: 'the start', files: undefined },
  ]
  for (const { at, from, files } of cases) {
    const { trainer, devices, events, end } = await reopening(files)
    trainer.on('log', ({ step }) => step === at && devices.length === 1 && lose(devices[0]))
    const { globalStep } = await trainer.train()
    assert.is(globalStep, 8)
    assert.is([devices.length, ...events.map((e) => e.from)].join(), `2,${from}`)
    assert.instance(events[0].error, DeviceLostError)
    assert.is(trainer.model.device, devices[1])
    assert.is((await bytes(trainer)).join(), wanted.join(), from)
    assert.is(losses(trainer).join(), losses(whole).join(), from)
    assert.ok(end().every((e) => e instanceof DeviceLostError))
  }
})

test('a device lost twice at one step: the run itself may be the cause, so it ends', async () => {
  const { trainer, devices, events, end } = await reopening(memoryFiles('run'))
  trainer.on('log', ({ step }) => step === 4 && lose(devices[devices.length - 1]))
  await assert.rejects(trainer.train(), /train: the device was lost .*Last good checkpoint: run\/checkpoint-3\./)
  assert.equal([devices.length, events.length], [2, 1])
  end()
})

test('without reopen a lost device ends the run with the last good checkpoint; a second trainer goes on to the same bytes', async () => {
  const whole = await start({ model, args })
  await whole.train()
  const files = memoryFiles('run')
  const device = await openTestDevice({})
  const trainer = await start({ model, args, files, device })
  trainer.on('log', ({ step }) => step === 6 && lose(device))
  const error = (await trainer.train().catch((thrown) => thrown)) as Error
  assert.instance(error, DeviceLostError)
  assert.match(error.message, /Last good checkpoint: run\/checkpoint-(3|6)\./)
  assert.ok(takeGpuErrors().every((e) => e instanceof DeviceLostError))
  trainer.dispose()
  const again = await start({ model, args, files })
  await again.train({ resumeFromCheckpoint: true })
  assert.equal(await bytes(again), await bytes(whole))
})

const stepTimeoutMs = 200_000

test('a device that hangs without being lost counts as lost after stepTimeoutMs; the run goes on on another', async () => {
  const whole = await start({ model, args })
  await whole.train()
  const { trainer, devices, events, end } = await reopening(memoryFiles('run'), { stepTimeoutMs })
  const { setTimeout } = globalThis
  trainer.on('checkpoint', ({ step }) => {
    if (step !== 3 || devices.length > 1) return
    // Work is taken, but nothing says that it is done.
    Object.defineProperty(devices[0].gpu.queue, 'onSubmittedWorkDone', { value: () => new Promise(() => {}) })
    // The time passes at once, for this device alone.
    const sooner = (work: () => void, ms?: number) => setTimeout(work, ms === stepTimeoutMs ? 50 : ms)
    globalThis.setTimeout = sooner as typeof setTimeout
  })
  trainer.on('recover', () => (globalThis.setTimeout = setTimeout))
  await trainer.train()
  assert.is(events.length, 1)
  assert.instance(events[0].error, StepTimeoutError)
  assert.match(
    events[0].error.message,
    /^(step \d+|a batch of logits|the reading of the losses) was not done after 200000 ms \(stepTimeoutMs\): the device hangs, or is too slow for this batch/,
  )
  assert.is(events[0].from, 'run/checkpoint-3')
  assert.equal(await bytes(trainer), await bytes(whole))
  end()
})
