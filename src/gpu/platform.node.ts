import { create, globals } from 'webgpu'
import { loadSoftwareAdapter } from './software.node'

export interface PlatformGpu {
  gpu: GPU
  /** Stops holding the instance; Node only. */
  release(): void
}

// Dawn crashes when its instance is garbage-collected before its devices: keep each for the life of its device.
const instances = new Set<GPU>()

/**
 * WebGPU in Node: Dawn by npm `webgpu`. With `software`, a machine that has no adapter gets SwiftShader.
 * @param toggles Dawn toggles, e.g. `enable-dawn-features=allow_unsafe_apis`
 */
export async function platformGpu(software: boolean, toggles: string[]): Promise<PlatformGpu> {
  Object.assign(globalThis, globals)
  let gpu = create(toggles)
  if (!(await gpu.requestAdapter()) && software) {
    await loadSoftwareAdapter()
    gpu = create(toggles)
  }
  instances.add(gpu)
  return { gpu, release: () => instances.delete(gpu) }
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
