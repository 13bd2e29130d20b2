import { create, globals } from 'webgpu'
import { loadSoftwareAdapter, vulkanIsMissing } from './software.node'

// Dawn crashes when an instance is garbage-collected before everything that was ever asked of it has ended, which nobody
// can see from here: one instance for each choice of toggles serves all devices and is kept for the life of the process.
const instances: GPU[] = []
const current = new Map<string, GPU>()

function instance(toggles: string[]): GPU {
  if (!instances.length) Object.assign(globalThis, globals)
  const key = toggles.join('\n')
  const gpu = current.get(key) ?? create(toggles)
  if (!current.has(key)) instances.push(gpu)
  current.set(key, gpu)
  return gpu
}

/**
 * WebGPU in Node: Dawn by npm `webgpu`. With `software`, a machine that has no adapter gets SwiftShader.
 * @param toggles Dawn's options, e.g. `enable-dawn-features=allow_unsafe_apis`, `adapter=NAME`
 */
export async function platformGpu(software: boolean, toggles: string[] = []): Promise<GPU> {
  if (software && !instances.length && vulkanIsMissing()) await withSoftware()
  if (software && !(await keepAlive(instance([]).requestAdapter()))) await withSoftware()
  return instance(toggles)
}

async function withSoftware(): Promise<void> {
  await loadSoftwareAdapter()
  current.clear() // an instance finds only what was there before it
}

const mostMs = 0.2
let rests = false

/**
 * While a result is pending, Dawn asks for it by `setImmediate` in every turn of Node's loop, which takes one of the cores that a
 * software adapter computes on. From now on each of these turns sleeps first: an eighth of what the wait has taken so far, so that
 * a short one ends soon, at most `mostMs`.
 */
export function restBetweenTurns(): void {
  if (rests) return
  rests = true
  const own = globalThis.setImmediate
  const never = new Int32Array(new SharedArrayBuffer(4))
  let [begun, inTurn] = [0, false]
  const rested = (turn: () => void) => {
    Atomics.wait(never, 0, 0, Math.min(mostMs, (performance.now() - begun) / 8))
    inTurn = true
    try {
      turn()
    } finally {
      inTurn = false
    }
  }
  const asked = (turn: () => void) => {
    // Within a turn the wait goes on.
    if (!inTurn) begun = performance.now()
    return own(rested, turn)
  }
  // With what promisify() reads of it.
  globalThis.setImmediate = Object.assign(
    (work: (...args: unknown[]) => void, ...args: unknown[]) => (isDawns(work) ? asked(work) : own(work, ...args)),
    own,
  )
}

/** A function of an addon: without a name, and not written in JavaScript. */
const isDawns = (work: unknown) =>
  typeof work === 'function' && work.name === '' && /\{ \[native code\] \}$/.test(Function.prototype.toString.call(work))

/** An adapter by the name that `adapter=NAME` takes. */
export interface AdapterName {
  name: string
  backend: string
}

/** Dawn lists its adapters only in the error about one that is not there. */
export async function adapterNames(): Promise<AdapterName[]> {
  try {
    await keepAlive(instance(['adapter=(none of this name)']).requestAdapter())
  } catch (thrown) {
    return [...String(thrown).matchAll(/backend: '([^']*)', name: '(.*)'/g)].map(([, backend, name]) => ({ backend, name }))
  }
  return []
}

/**
 * Toggles that choose the adapter whose name contains `wanted`.
 * @throws Error where none or several have it, with the names of all
 */
export async function adapterToggles(wanted: string, software: boolean): Promise<string[]> {
  await platformGpu(software)
  let names = await adapterNames()
  if (software && !matching(names, wanted).length) {
    await withSoftware()
    names = [...names, ...(await adapterNames())]
  }
  const found = matching(names, wanted)
  // One adapter may be there under several backends: Dawn lists the better one first.
  if (new Set(found.map((n) => n.name)).size === 1) return [`backend=${found[0].backend}`, `adapter=${found[0].name}`]
  const listed = names.map((n) => `${n.name} (${n.backend})`).join('; ') || 'none'
  throw new Error(`openDevice: adapter: wanted one whose name contains ${JSON.stringify(wanted)}, got ${found.length} of: ${listed}`)
}

function matching(names: AdapterName[], wanted: string): AdapterName[] {
  const exact = names.filter((n) => n.name === wanted)
  return exact.length ? exact.slice(0, 1) : names.filter((n) => n.name.toLowerCase().includes(wanted.toLowerCase()))
}

/** Dawn rounds times to 65.5 µs unless told not to. */
export const exactTimestamps = ['disable-dawn-features=timestamp_quantization']

/** Matrix units are unsafe to Dawn, want Vulkan's memory model, and on NVIDIA half floats, which Dawn keeps back there. */
export const experiments = ['enable-dawn-features=allow_unsafe_apis,use_vulkan_memory_model,vulkan_enable_f16_on_nvidia']

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
