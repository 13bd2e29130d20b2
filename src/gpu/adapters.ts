import type { UnitShape } from './device'
import { describe, isSoftware, unitShapes } from './open'
import { adapterNames, experiments, keepAlive, platformGpu } from './platform.node'

/** What an adapter is and has. Browsers leave most names out. */
export interface AdapterReport {
  /** What `openDevice({ adapter })` takes a part of. */
  name: string
  backend: string
  driver: string
  vendor: string
  architecture: string
  device: string
  /** Computes on the processor. */
  software: boolean
  features: string[]
  /** What its matrix units do, which `experimental: true` of `openDevice` asks for. */
  units: UnitShape[]
  limits: Record<string, number>
}

/** All adapters of this machine (in a page: the one that the browser gives). With `software`, SwiftShader where there is none. */
export async function listAdapters(options: { software?: boolean } = {}): Promise<AdapterReport[]> {
  await platformGpu(options.software ?? false)
  const names = await adapterNames()
  const found = await Promise.all(
    names.map(async ({ name, backend }) => {
      const toggles = name ? [`backend=${backend}`, `adapter=${name}`] : []
      const find = async (all: string[]) =>
        keepAlive((await platformGpu(false, all)).requestAdapter({ powerPreference: 'high-performance' }))
      const adapter = await find(toggles)
      const shown = await find([...toggles, ...experiments])
      return adapter ? report(adapter, name, backend, shown ? unitShapes(shown) : []) : undefined
    }),
  )
  return found.filter((each) => each !== undefined)
}

function report(adapter: GPUAdapter, name: string, backend: string, units: UnitShape[]): AdapterReport {
  const { description = '', vendor = '', architecture = '', device = '' } = adapter.info ?? {}
  const limits: Record<string, number> = {}
  // Limits are getters of the prototype.
  for (const key in adapter.limits) {
    const value = adapter.limits[key as keyof GPUSupportedLimits]
    if (typeof value === 'number') limits[key] = value
  }
  return {
    name: name || describe(adapter),
    backend,
    driver: description,
    vendor,
    architecture,
    device,
    software: isSoftware(adapter),
    features: [...adapter.features].sort(),
    units,
    limits,
  }
}
