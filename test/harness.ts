import { suite } from 'uvu'
import * as base from 'uvu/assert'
import { type Device, type OpenDeviceOptions, openDevice } from '../src/gpu'
import { readFixture, record, settings } from './platform.node'

/**
 * uvu with what it lacks: whatever is thrown becomes an Error, each test has a time limit, an uncaptured GPU error
 * fails the test at hand, and every test leaves a record when it is registered and when it ends.
 */
const tests = suite('')
let registered = 0
let failures: Error[] = []
let seeds: number[] = []
let atWork = false
let inProcess: (() => Promise<void>)[] | undefined

export function test(name: string, body: () => unknown, { timeoutMs = 300_000 } = {}): void {
  registered++
  record({ event: 'registered', name })
  const run = async () => {
    failures = []
    seeds = []
    atWork = true
    let error: Error | undefined
    const start = performance.now()
    try {
      await limited(name, Promise.resolve().then(body), timeoutMs)
      if (failures.length) throw failures[0]
    } catch (thrown) {
      error = toError(thrown)
    }
    atWork = false
    record({
      event: 'finished',
      name,
      ok: !error,
      ms: Math.round(performance.now() - start),
      error: error && [error.message, error.stack ?? '', ...(seeds.length ? [`seed ${seeds.join(', ')}`] : [])].join('\n'),
    })
    if (error) throw error
  }
  if (inProcess) {
    inProcess.push(run)
    return
  }
  tests(name, run)
  if (registered === 1) setTimeout(() => tests.run(), 0)
}

/** Runs the tests of one file here and now, on a device of the file's own: many files in one process. */
export async function runHere(load: () => Promise<unknown>): Promise<void> {
  inProcess = []
  await load()
  // The record says how it ended.
  for (const run of inProcess) await run().catch(() => {})
  const device = await shared?.catch(() => undefined)
  device?.destroy()
  shared = undefined
}

export function toError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown
  const message = (thrown as { message?: unknown } | null | undefined)?.message
  return new Error(typeof message === 'string' ? message : `thrown: ${String(thrown)}`)
}

function limited<T>(name: string, work: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout>
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name}: not done after ${ms} ms`)), ms)
  })
  return Promise.race([work, limit]).finally(() => clearTimeout(timer))
}

let shared: Promise<Device> | undefined

/** The file's device: software where there is no GPU, capped as the leg says. Options make one of its own. */
export function openTestDevice(options?: OpenDeviceOptions): Promise<Device> {
  const open = async () => {
    const device = await openDevice({ software: true, log: () => {}, ...settings(), ...options, onError: heard })
    // Tests destroy devices; a device that is lost otherwise is the driver's crash.
    void device.gpu.lost.then(({ reason, message }) => {
      if (reason !== 'destroyed') record({ event: 'crashed', error: `the device was lost: ${message}` })
    })
    record({ event: 'adapter', name: device.adapterName, device: options ? undefined : describe(device) })
    return device
  }
  if (options) return open()
  shared ??= open()
  return shared
}

/** An error of the GPU belongs to the test at work; between tests, to the file. */
function heard(error: Error): void {
  if (atWork) failures.push(error)
  else record({ event: 'crashed', error: `between tests: ${error.message}` })
}

function describe({ features, limits }: Device): string {
  const { maxStorageBufferBindingSize: binding, maxComputeWorkgroupsPerDimension: groups } = limits
  return `${[...features].join(', ') || 'no features'}; bindings of ${binding} bytes, ${groups} workgroups a dimension`
}

/** For a test that expects GPU errors: takes them out of the account. */
export function takeGpuErrors(): Error[] {
  const taken = failures
  failures = []
  return taken
}

/** A file of test/fixtures or models. */
export const fixture = readFixture

/** Seeded random numbers; a test that fails says its seed, CONDLORA_SEED sets it. */
export function rng(seed = settings().seed ?? Math.floor(Math.random() * 2 ** 31)) {
  seeds.push(seed)
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const gauss = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
  return {
    next,
    int: (low: number, high: number) => low + Math.floor(next() * (high - low + 1)),
    normal: (n: number, std = 1) => Float32Array.from({ length: n }, () => std * gauss()),
    uniform: (n: number, low: number, high: number) => Float32Array.from({ length: n }, () => low + (high - low) * next()),
  }
}

/** ‖actual − expected‖ / ‖expected‖; NaN where lengths differ or a number is not finite. */
export function distance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.NaN
  let error = 0
  let size = 0
  for (let i = 0; i < expected.length; i++) {
    error += (actual[i] - expected[i]) ** 2
    size += expected[i] ** 2
  }
  return size === 0 ? Math.sqrt(error) : Math.sqrt(error / size)
}

type Assert = typeof base & {
  close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what?: string): void
  rejects(work: (() => unknown) | Promise<unknown>, message: RegExp): Promise<void>
}

export const assert: Assert = {
  ...base,
  close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what = ''): void {
    const d = distance(actual, expected)
    if (!(d <= tolerance))
      base.unreachable(
        `${what}: relative distance ${d} > ${tolerance} (lengths ${actual.length}, ${expected.length}; first ${Array.from(actual).slice(0, 4)} | ${Array.from(expected).slice(0, 4)})`,
      )
  },
  async rejects(work: (() => unknown) | Promise<unknown>, message: RegExp): Promise<void> {
    let error: Error | undefined
    try {
      await (typeof work === 'function' ? work() : work)
    } catch (thrown) {
      error = toError(thrown)
    }
    if (!error) base.unreachable(`wanted an error like ${message}, got none`)
    else base.match(error.message, message, `wanted an error like ${message}, got: ${error.message}`)
  },
}
