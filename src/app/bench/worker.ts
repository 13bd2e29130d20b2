// One participant, in a worker of its own: the page stays free, and stopping is ending the worker.
import { type Participant, rowKey } from '../../../bench/case'
import { casesOf } from '../../../bench/cases'
import { measure, messageOf } from '../../../bench/measure'
import { meter, opened } from '../../../bench/meter'
import { doctorReport } from '../../doctor'
import type { Device } from '../../gpu'
import type { Answer, Ask } from './protocol'

/** Each library is loaded when its worker opens it. */
const open: Record<string, () => Promise<Participant & { device?: Device }>> = {
  condlora: async () => (await import('../../../bench/rivals/condlora')).open({ software: true }),
  'jax-js': async () => (await import('../../../bench/rivals/jax')).open('webgpu'),
  tfjs: async () => (await import('../../../bench/rivals/tfjs')).open(),
}

let participant: Participant & { device?: Device }

async function answer(message: Ask): Promise<Answer> {
  if (message.ask === 'open') {
    if (!globalThis.navigator.gpu) throw new Error('this browser has no WebGPU in workers')
    meter()
    participant = await open[message.name]()
    const { version, cannot = {} } = participant
    return { opened: { version, cannot, adapter: opened.adapter, software: /software/.test(opened.adapter) } }
  }
  if (message.ask === 'doctor') {
    const { device } = participant
    if (!device) throw new Error('this participant has no doctor')
    const { json, text } = await doctorReport(device, { short: true })
    return { doctor: { json, text } }
  }
  const row = casesOf(message.plan).find((r) => rowKey(r) === message.key)
  if (!row) throw new Error(`there is no row ${JSON.stringify(message.key)}`)
  return { outcome: await measure(row, participant, message.effort) }
}

globalThis.onmessage = ({ data }: MessageEvent<Ask>) => {
  void answer(data)
    .catch((thrown: unknown): Answer => ({ failed: messageOf(thrown) }))
    .then((reply) => globalThis.postMessage(reply))
}
