import { shaders } from 'condlora:build'
import type { Device } from '../gpu'
import { type Files, readJson } from '../io/files'
import { doctor } from './doctor'
import { adapterOf, versions } from './report'
import { presentSubjects } from './subjects'

/** Thrown at a run's start: this device computes wrong numbers. */
export class WrongKernelError extends Error {
  override name = 'WrongKernelError'
  constructor(
    readonly kernels: string[],
    message: string,
  ) {
    super(message)
  }
}

/** How a run's start is checked. */
export interface StartOptions {
  /** Keeps what was found right, for each adapter, driver and version: `doctor.json`, e.g. in `userCache()`. */
  cache?: Files
}

const file = 'doctor.json'
const mostDevices = 32
const checked = new WeakMap<Device, Set<string>>()

/**
 * Checks the kernels that the device was asked for so far, e.g. after a step was recorded, and that were not found right
 * before: nothing is compiled, so it takes a part of a second.
 * @returns how many were run
 * @throws WrongKernelError with the name of each wrong kernel
 */
export async function checkPresent(device: Device, { cache }: StartOptions = {}): Promise<number> {
  const seen = checked.get(device) ?? new Set<string>()
  checked.set(device, seen)
  const fresh = presentSubjects(device).filter(({ name }) => !seen.has(name))
  if (!fresh.length) return 0
  const key = deviceKey(device)
  const known = new Set(cache ? (await load(cache))[key] : [])
  const due = fresh.filter(({ name }) => !known.has(name))
  const results = await doctor(device, { subjects: due })
  const wrong = results.filter((r) => !r.ok)
  if (wrong.length)
    throw complaint(
      device,
      wrong.map((r) => r.name),
      wrong.map((r) => `${r.name}: ${r.problem}`),
    )
  for (const { name } of fresh) seen.add(name)
  if (cache && due.length) await save(cache, key, [...known, ...due.map((s) => s.name)])
  return due.length
}

/** From now on every recording's kernels are checked before it is run: a wrong one is an error of `device.record`. */
export function guard(device: Device, options: StartOptions = {}): void {
  device.afterRecord = async () => {
    await checkPresent(device, options)
  }
}

function complaint(device: Device, names: string[], details: string[]): WrongKernelError {
  const message =
    `${device.adapterName} computes wrong numbers, so the run was stopped before they did harm: ${details.join('; ')}. ` +
    'Update the driver of the GPU or take another adapter; please report it with all that `condlora doctor` prints.'
  return new WrongKernelError(names, message)
}

/** Whatever the numbers depend on: adapter, driver, compiler, this package, its kernels. */
function deviceKey(device: Device): string {
  const browser = globalThis.navigator?.userAgent ?? ''
  return JSON.stringify([adapterOf(device), versions(), browser, hash(Object.values(shaders).join('\0'))])
}

/** FNV-1a, twice with different starts. */
function hash(text: string): string {
  let [a, b] = [0x811c9dc5, 0x01000193]
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 0x01000193)
    b = Math.imul(b ^ text.charCodeAt(i), 0x01000193)
  }
  return [a, b].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
}

/** Names of the kernels that were right, by device. What cannot be read is checked again. */
async function load(cache: Files): Promise<Record<string, string[]>> {
  const all = await readJson(cache, file, 1 << 20).catch(() => ({}))
  const valid = Object.entries(all).filter((e): e is [string, string[]] => Array.isArray(e[1]) && e[1].every((n) => typeof n === 'string'))
  return Object.fromEntries(valid)
}

async function save(cache: Files, key: string, names: string[]): Promise<void> {
  const { [key]: _, ...others } = await load(cache)
  const kept = [...Object.entries(others), [key, names] as const].slice(-mostDevices)
  const bytes = new TextEncoder().encode(JSON.stringify(Object.fromEntries(kept)))
  // A cache that cannot be written costs the next run a part of a second.
  await cache.write(file, bytes).catch(() => {})
}
