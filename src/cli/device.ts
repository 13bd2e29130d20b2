import { checkUnits, guard } from '../doctor'
import { type Device, openDevice } from '../gpu'
import { userCache } from '../io'
import type { computeFlags, Values } from './flags'

type DeviceSettings = Values<typeof computeFlags>

/** `openCliDevice`, and each kernel that a run records is checked on it before it computes; an answer is kept. */
export async function openCheckedDevice(
  settings: DeviceSettings,
  say: (line: string) => void,
  options: { profile?: boolean } = {},
): Promise<Device> {
  const device = await openCliDevice(settings, say, options)
  guard(device, { cache: userCache() })
  if (settings.experimental) say(`condlora: ${(await checkUnits(device, { cache: userCache() })).says}`)
  return device
}

/** Opens the GPU that was asked for; falls back to the processor unless told not to, and says so. */
export async function openCliDevice(
  settings: DeviceSettings,
  say: (line: string) => void,
  { profile }: { profile?: boolean } = {},
): Promise<Device> {
  const device = await openDevice({
    software: settings.software ?? true,
    adapter: settings.adapter,
    memoryLimit: settings.memoryLimit,
    experimental: settings.experimental,
    profile,
    log: say,
    onError: (error) => process.stderr.write(`condlora: ${error.message}\n`),
  }).catch((thrown: Error) => {
    // The library's advice, in this program's words.
    const message = thrown.message.replace('ask for it: openDevice({ software: true })', 'leave out --no-software')
    throw new Error(message.replace(/^openDevice: profile/, '--profile'))
  })
  if (settings.fp16 && !device.features.has('shader-f16')) {
    device.destroy()
    throw new Error(
      `--fp16: ${device.adapterName} has no shader-f16, and so no half floats: leave --fp16 out (--no-fp16 for a run that was trained with it), or choose another by --adapter`,
    )
  }
  if (device.software) say('condlora: the processor computes, not a GPU, which is slow (--no-software refuses that)')
  return device
}
