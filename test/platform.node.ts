import { appendFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { OpenDeviceOptions } from '../src/gpu'
import type { Entry } from './records'

declare const TEST_ROOT: string

export async function readFixture(path: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(join(TEST_ROOT, path.startsWith('models/') ? path : `test/fixtures/${path}`)))
}

let write = (entry: Entry): void => {
  if (process.env.CONDLORA_RECORDS) appendFileSync(process.env.CONDLORA_RECORDS, `${JSON.stringify(entry)}\n`)
}

export function record(entry: Entry): void {
  write(entry)
}

/** Sends the records elsewhere than to the driver's file. */
export function onRecord(sink: (entry: Entry) => void): void {
  write = sink
}

/** What the leg asks for: JSON in CONDLORA_TEST_DEVICE; a seed in CONDLORA_SEED. */
export function settings(): OpenDeviceOptions & { seed?: number } {
  return {
    ...JSON.parse(process.env.CONDLORA_TEST_DEVICE ?? '{}'),
    ...(process.env.CONDLORA_SEED ? { seed: Number(process.env.CONDLORA_SEED) } : {}),
  }
}

// A promise that never settles must not end the process as if all were well.
process.on('unhandledRejection', (reason) => {
  record({ event: 'crashed', error: String((reason as Error)?.stack ?? reason) })
  process.exit(1)
})
