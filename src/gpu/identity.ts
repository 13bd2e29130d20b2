import { kernels, version, webgpuVersion } from 'condlora:build'
import type { Device } from './device'

/** What the adapter says of itself; browsers may leave any of it out. In Node its description is the driver's version. */
export function adapterOf({ adapterName, gpu, software }: Device): Record<string, string> {
  const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize } = gpu.adapterInfo ?? {}
  const told = Object.entries({ vendor, architecture, device, description }).filter(([, value]) => value)
  const subgroups: Record<string, string> = subgroupMaxSize ? { subgroups: `${subgroupMinSize} to ${subgroupMaxSize}` } : {}
  return { name: adapterName, ...Object.fromEntries(told), ...subgroups, 'computes on': software ? 'the processor' : 'a GPU' }
}

/** Versions of what turns a kernel's text into numbers. */
export function versions(): Record<string, string> {
  const running = (globalThis as { process?: { versions?: Record<string, string | undefined> } }).process?.versions?.node
  return { condlora: version, ...(running ? { node: running, 'webgpu (Dawn)': webgpuVersion } : {}) }
}

/** Whatever the numbers and the speed of kernels depend on: adapter, driver, compiler, this package, its kernels. */
export function deviceKey(device: Device): string {
  const browser = globalThis.navigator?.userAgent ?? ''
  return JSON.stringify([adapterOf(device), versions(), browser, kernels])
}
