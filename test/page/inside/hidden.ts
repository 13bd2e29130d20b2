// A worker that trains a tiny model and tells all pages of the origin each step, and the adapter's numbers at the end.
import { openDevice } from '../../../src/gpu'
import { bytes, start } from '../../train/start'

const channel = new BroadcastChannel('training')
const device = await openDevice({ software: true, log: () => {} })
const trainer = await start({ device, model: { hidden_dropout_prob: 0.1 }, args: { maxSteps: 60 } })
trainer.on('log', ({ step }) => channel.postMessage(`step ${step}`))
await trainer.train()
channel.postMessage((await bytes(trainer)).join())
device.destroy()
