import { Device, type DeviceLimits, type UnitShape } from './device'
import { asError } from './errors'
import { adapterToggles, exactTimestamps, experiments, keepAlive, noAdapterHint, platformGpu, restBetweenTurns } from './platform.node'

/** Which adapter `openDevice` takes, and what it may use of it. */
export interface OpenDeviceOptions {
  /** Run on the processor where there is no GPU; on Linux x64 Node brings SwiftShader for it. Default false: an error. */
  software?: boolean
  /** Default `high-performance`. */
  powerPreference?: GPUPowerPreference
  /** A part of the name of the adapter to take (Node only); `listAdapters` tells the names. */
  adapter?: string
  /** Optional features not to use, e.g. `['shader-f16']`. */
  withhold?: string[]
  /** Never hold more than this many bytes of buffers; going beyond is an OutOfMemoryError. Default: no limit. */
  memoryLimit?: number
  /** Milliseconds that one submit may keep the device busy. Default 200; 2,000 on software adapters. */
  submitBudgetMs?: number
  /** For `device.profile()`: times to the nanosecond where the platform gives them (Node); without `timestamp-query` an error. */
  profile?: boolean
  /**
   * Ask for `chromium-experimental-subgroup-matrix` too, the GPU's matrix units (in Node also for half floats on NVIDIA);
   * `device.features` tells what is there. No product takes them before `checkUnits` of `condlora/doctor` found them right. Default false.
   */
  experimental?: boolean
  /** For tests: pretend that the device has no more than this. */
  cap?: Partial<DeviceLimits>
  /** Gets one line: which adapter computes. Default `console.info`. */
  log?: (line: string) => void
  /** Called with every error that no call rejects with. */
  onError?: (error: Error) => void
}

const wanted = ['shader-f16', 'subgroups', 'timestamp-query']
/** Experimental, and without a type yet: a GPU's matrix units. */
export const unitFeature = 'chromium-experimental-subgroup-matrix'
const wantedLimits = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'minStorageBufferOffsetAlignment',
] as const

/**
 * Opens a WebGPU device: Node through Dawn, browsers through `navigator.gpu`. Prefers a real high-performance adapter,
 * asks for the adapter's own limits and for the features it can use, and works without any of them.
 * @throws Error when there is no adapter; it says what to install, and how to ask for the processor.
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  const allowed = options.software ?? false
  const toggles = options.adapter === undefined ? [] : await adapterToggles(options.adapter, allowed)
  toggles.push(...(options.profile ? exactTimestamps : []), ...(options.experimental ? experiments : []))
  const gpu = await platformGpu(allowed, toggles)
  const adapter = await keepAlive(gpu.requestAdapter({ powerPreference: options.powerPreference ?? 'high-performance' }))
  if (!adapter) throw new Error(`openDevice: no WebGPU adapter was found. ${noAdapterHint}`)
  const software = isSoftware(adapter)
  if (software && !allowed)
    throw new Error(`openDevice: the only WebGPU adapter here is ${describe(adapter)}, and nobody asked for it. ${noAdapterHint}`)
  const asked = options.experimental ? [...wanted, unitFeature] : wanted
  if (software) restBetweenTurns()
  const features = asked.filter((f) => adapter.features.has(f) && !options.withhold?.includes(f)) as GPUFeatureName[]
  if (options.profile && !features.includes('timestamp-query'))
    throw new Error(`openDevice: profile: ${describe(adapter)} has no timestamp-query here: nothing can be timed on it`)
  const requiredLimits = Object.fromEntries(wantedLimits.map((name) => [name, adapter.limits[name]]))
  const device = await keepAlive(adapter.requestDevice({ requiredFeatures: features, requiredLimits })).catch((thrown) => {
    throw new Error(`openDevice: ${describe(adapter)} gave no device: ${asError(thrown).message}`)
  })
  const log = options.log ?? console.info
  const missing = options.experimental && !features.includes(unitFeature as GPUFeatureName) ? `; ${unitFeature} is not there` : ''
  log(`condlora: running on ${describe(adapter)}${features.length ? ` with ${features.join(', ')}` : ''}${missing}`)
  return new Device(device, {
    limits: capped(device.limits, options.cap),
    adapterName: describe(adapter),
    software,
    features: new Set(features),
    units: features.includes(unitFeature as GPUFeatureName) ? unitShapes(adapter) : [],
    memoryLimit: options.memoryLimit ?? Number.POSITIVE_INFINITY,
    submitBudgetMs: options.submitBudgetMs ?? (software ? 2000 : 200),
    onError: options.onError,
  })
}

// Browsers may leave any of these out.
function texts(adapter: GPUAdapter): string[] {
  const { description, device, architecture, vendor } = adapter.info ?? {}
  return [description, device, architecture, vendor].filter((t): t is string => Boolean(t))
}

/** What an adapter's matrix units do; empty where it has none, or its instance does not show them. */
export function unitShapes(adapter: GPUAdapter): UnitShape[] {
  const { subgroupMatrixConfigs = [] } = (adapter.info ?? {}) as { subgroupMatrixConfigs?: Iterable<UnitShape> }
  // Their properties are getters of the prototype.
  return [...subgroupMatrixConfigs].map(({ componentType, resultComponentType, M, N, K }) => ({
    componentType,
    resultComponentType,
    M,
    N,
    K,
  }))
}

export function isSoftware(adapter: GPUAdapter): boolean {
  return Boolean(adapter.info?.isFallbackAdapter) || /swiftshader|llvmpipe|lavapipe|basic render/i.test(texts(adapter).join(' '))
}

export function describe(adapter: GPUAdapter): string {
  const name = texts(adapter)[0] ?? 'unnamed adapter'
  return isSoftware(adapter) ? `${name} (software, on the processor)` : name
}

function capped(limits: GPUSupportedLimits, cap: Partial<DeviceLimits> = {}): DeviceLimits {
  const least = (name: keyof DeviceLimits) => Math.min(limits[name], cap[name] ?? Number.POSITIVE_INFINITY)
  return {
    maxStorageBufferBindingSize: least('maxStorageBufferBindingSize'),
    maxBufferSize: least('maxBufferSize'),
    maxComputeWorkgroupsPerDimension: least('maxComputeWorkgroupsPerDimension'),
    // WebGPU's default, whatever the adapter has: every kernel must run there.
    maxStorageBuffersPerShaderStage: Math.min(8, least('maxStorageBuffersPerShaderStage')),
    minStorageBufferOffsetAlignment: limits.minStorageBufferOffsetAlignment,
  }
}
