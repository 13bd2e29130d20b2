import { appendFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { OpenDeviceOptions } from '../src/gpu'

declare const TEST_ROOT: string

export async function readFixture(path: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(join(TEST_ROOT, path.startsWith('models/') ? path : `test/fixtures/${path}`)))
}

export function record(entry: object): void {
  if (process.env.CONDLORA_RECORDS) appendFileSync(process.env.CONDLORA_RECORDS, `${JSON.stringify(entry)}\n`)
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
