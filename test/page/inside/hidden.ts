// A worker that trains a tiny model once a page says so, and tells all pages each step and, at the end, the adapter's numbers.
import { openDevice } from '../../../src/gpu'
import { bytes, start } from '../../train/start'

const channel = new BroadcastChannel('training')
const device = await openDevice({ software: true, log: () => {} })
const trainer = await start({ device, model: { hidden_dropout_prob: 0.1 }, args: { maxSteps: 60 } })
const go = new Promise((resolve) => (channel.onmessage = resolve))
channel.postMessage('ready')
await go
trainer.on('log', ({ step }) => channel.postMessage(`step ${step}`))
await trainer.train()
channel.postMessage((await bytes(trainer)).join())
device.destroy()
