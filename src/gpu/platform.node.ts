import { create, globals } from 'webgpu'
import { loadSoftwareAdapter, vulkanIsMissing } from './software.node'

// Dawn crashes when an instance is garbage-collected before everything that was ever asked of it has ended, which nobody
// can see from here: one instance serves all devices and is kept for the life of the process. By toggles.
const instances = new Map<string, GPU>()
const retired: GPU[] = []

/**
 * WebGPU in Node: Dawn by npm `webgpu`. With `software`, a machine that has no adapter gets SwiftShader.
 * @param toggles Dawn toggles, e.g. `enable-dawn-features=allow_unsafe_apis`
 */
export async function platformGpu(software: boolean, toggles: string[] = []): Promise<GPU> {
  const key = toggles.join()
  if (software && !instances.size && vulkanIsMissing()) await loadSoftwareAdapter()
  const known = instances.get(key) ?? make(toggles)
  instances.set(key, known)
  if (!software || (await keepAlive(known.requestAdapter()))) return known
  await loadSoftwareAdapter()
  const fresh = make(toggles) // an instance finds only what was there before it
  retired.push(known)
  instances.set(key, fresh)
  return fresh
}

function make(toggles: string[]): GPU {
  Object.assign(globalThis, globals)
  return create(toggles)
}

/** What to tell a user of this platform who has no adapter. */
export const noAdapterHint =
  'Linux: install a Vulkan driver (Debian: mesa-vulkan-drivers, or the maker of your GPU); macOS 12+ and Windows 10+: update the GPU driver. ' +
  'To run on the processor instead, ask for it: openDevice({ software: true }).'

/** A pending GPU promise does not keep Node alive: a timer does, while it is awaited. */
export async function keepAlive<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1 << 30)
  try {
    return await promise
  } finally {
    clearInterval(timer)
  }
}
