import type { OpenDeviceOptions } from '../src/gpu'
import type { Entry } from './records'

/** What the driver hands to a page in its address. A worker of the page has the same. */
const asked = new URLSearchParams(globalThis.location.search)

/** The driver's end of the records, which it puts into each page. */
declare const condloraRecord: ((entry: string) => Promise<void>) | undefined

export async function readFixture(path: string): Promise<Uint8Array> {
  const url = path.startsWith('models/') ? `/files/${path}` : `/files/fixtures/${path}`
  const answer = await fetch(url)
  if (!answer.ok) throw new Error(`fixture ${path}: ${answer.status} ${answer.statusText}`)
  return new Uint8Array(await answer.arrayBuffer())
}

let write = (entry: Entry): void => {
  const text = JSON.stringify(entry)
  if (typeof condloraRecord === 'function') void condloraRecord(text)
  else globalThis.postMessage(text) // a worker tells its page
}

export function record(entry: Entry): void {
  write(entry)
}

/** Sends the records elsewhere than to the driver. */
export function onRecord(sink: (entry: Entry) => void): void {
  write = sink
}

/** What the leg asks for: the driver passes CONDLORA_TEST_DEVICE and CONDLORA_SEED on. */
export function settings(): OpenDeviceOptions & { seed?: number } {
  const seed = asked.get('seed')
  return { ...JSON.parse(asked.get('device') || '{}'), ...(seed ? { seed: Number(seed) } : {}) }
}

// What nobody waits for must be seen too, in a page and in a worker.
const crashed = (reason: unknown): void => record({ event: 'crashed', error: String((reason as Error | undefined)?.stack ?? reason) })
globalThis.addEventListener('unhandledrejection', (event) => crashed(event.reason))
globalThis.addEventListener('error', (event) => crashed(event.error ?? event.message))
