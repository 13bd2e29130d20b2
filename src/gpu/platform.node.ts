import { create, globals } from 'webgpu'
import { loadSoftwareAdapter } from './software.node'

// Dawn crashes when an instance is garbage-collected before everything that was ever asked of it has ended, which nobody
// can see from here: one instance serves all devices and is kept for the life of the process.
const instances: GPU[] = []

/** WebGPU in Node: Dawn by npm `webgpu`. With `software`, a machine that has no adapter gets SwiftShader. */
export async function platformGpu(software: boolean): Promise<GPU> {
  if (!instances.length) {
    Object.assign(globalThis, globals)
    instances.push(create([]))
  }
  if (software && !(await keepAlive(instances[0].requestAdapter()))) {
    await loadSoftwareAdapter()
    instances.unshift(create([])) // an instance finds only what was there before it
  }
  return instances[0]
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
