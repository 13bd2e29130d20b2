import { guard } from '../doctor'
import { type Device, openDevice } from '../gpu'
import { userCache } from '../io'
import type { deviceFlags, Values } from './flags'

/** `openCliDevice`, and each kernel that a run records is checked on it before it computes; an answer is kept. */
export async function openCheckedDevice(
  settings: Values<typeof deviceFlags>,
  say: (line: string) => void,
  options: { profile?: boolean } = {},
): Promise<Device> {
  const device = await openCliDevice(settings, say, options)
  guard(device, { cache: userCache() })
  return device
}

/** Opens the GPU that was asked for; falls back to the processor unless told not to, and says so. */
export async function openCliDevice(
  settings: Values<typeof deviceFlags>,
  say: (line: string) => void,
  { profile }: { profile?: boolean } = {},
): Promise<Device> {
  const device = await openDevice({
    software: settings.software ?? true,
    adapter: settings.adapter,
    memoryLimit: settings.memoryLimit,
    profile,
    log: say,
    onError: (error) => process.stderr.write(`condlora: ${error.message}\n`),
  }).catch((thrown: Error) => {
    // The library's advice, in this program's words.
    const message = thrown.message.replace('ask for it: openDevice({ software: true })', 'leave out --no-software')
    throw new Error(message.replace(/^openDevice: profile/, '--profile'))
  })
  if (device.software) say('condlora: the processor computes, not a GPU, which is slow (--no-software refuses that)')
  return device
}
