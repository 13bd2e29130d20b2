import { release } from 'node:os'
import { doctorReport } from '../doctor'
import { openCliDevice } from './device'
import type { Common, deviceFlags, Values } from './flags'
import { print } from './say'

export interface DoctorOptions extends Common, Values<typeof deviceFlags> {
  short?: boolean
}

/** `condlora doctor`: exit code 1 where a kernel is wrong on this device. */
export async function doctor(options: DoctorOptions): Promise<void> {
  const say = (line: string) => process.stderr.write(`${line}\n`)
  const device = await openCliDevice(options, options.quiet ? () => {} : say)
  try {
    const { ok, text, json } = await doctorReport(device, { short: options.short, system: { release: release() } })
    print(options.json ? JSON.stringify(json) : text)
    if (!ok) process.exitCode = 1
  } finally {
    device.destroy()
  }
}
