import type { Device } from '../gpu'
import { deviceKey } from '../gpu/identity'
import type { Files } from '../io/files'
import { keep, readKept } from '../io/keyed'
import { doctor, type KernelResult } from './doctor'
import { presentSubjects, type Subject } from './subjects'

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
const checked = new WeakMap<Device, Set<string>>()

/**
 * Checks the kernels that the device was asked for so far, e.g. after a step was recorded, and that were not found right
 * before: nothing is compiled, so it takes a part of a second.
 * @returns how many were run
 * @throws WrongKernelError with the name of each wrong kernel
 */
export async function checkPresent(device: Device, { cache }: StartOptions = {}): Promise<number> {
  const { run, wrong } = await checkOnce(device, presentSubjects(device), { cache })
  if (wrong.length)
    throw complaint(
      device,
      wrong.map((r) => r.name),
      wrong.map((r) => `${r.name}: ${r.problem}`),
    )
  return run
}

/**
 * Checks those of the kernels that were not found right before, on this device or by the cache.
 * @returns how many were run, and what was wrong
 */
export async function checkOnce(
  device: Device,
  subjects: Subject[],
  { cache }: StartOptions,
): Promise<{ run: number; wrong: KernelResult[] }> {
  const seen = checked.get(device) ?? new Set<string>()
  checked.set(device, seen)
  const fresh = subjects.filter(({ name }) => !seen.has(name))
  if (!fresh.length) return { run: 0, wrong: [] }
  const key = deviceKey(device)
  const known = new Set(cache ? await readKept(cache, file, key, isNames) : [])
  const due = fresh.filter(({ name }) => !known.has(name))
  const wrong = (await doctor(device, { subjects: due })).filter((r) => !r.ok)
  if (wrong.length) return { run: due.length, wrong }
  for (const { name } of fresh) seen.add(name)
  if (cache && due.length) await keep(cache, file, key, [...known, ...due.map((s) => s.name)])
  return { run: due.length, wrong }
}

/** From now on every recording's kernels are checked before it is run: a wrong one is an error of `device.record`. */
export function guard(device: Device, options: StartOptions = {}): void {
  device.afterRecord = async () => {
    const begun = performance.now()
    device.selfTest.kernels += await checkPresent(device, options)
    device.selfTest.ms += performance.now() - begun
  }
}

function complaint(device: Device, names: string[], details: string[]): WrongKernelError {
  const message =
    `${device.adapterName} computes wrong numbers, so the run was stopped before they did harm: ${details.join('; ')}. ` +
    'Update the driver of the GPU or take another adapter; please report it with all that `condlora doctor` prints.'
  return new WrongKernelError(names, message)
}

/** Names of kernels that were right. */
const isNames = (value: unknown): value is string[] => Array.isArray(value) && value.every((name) => typeof name === 'string')
