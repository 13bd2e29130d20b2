// Loaded only where a device has matrix units and its user asked for them.
import shader from '../../shaders/matmul_units.wgsl'
import type { Device, UnitShape } from '../gpu'
import type { Constants } from '../gpu/wgsl'
import type { DType } from '../graph'
import { extras, inVectors, type Job, kernels, type Variant, vectorForm, vectorWords } from './gemm_kernels'

/** Matrix units as `matmul_units.wgsl` takes them: one shape, and how large the piece of C of a group may be. */
export interface Unit {
  /** What they multiply; sums are f32. */
  type: 'f16' | 'f32'
  m: number
  n: number
  k: number
  /** Threads of a group. */
  threads: number
  /** Rows and columns of the pieces, the larger first. */
  sides: number[]
}

/** What a device's limits say of groups. */
export interface Room {
  /** Threads of its largest subgroup. */
  subgroup: number
  /** Threads of a group. */
  threads: number
  /** Bytes of a group's memory. */
  storage: number
}

/** A group's subgroups that multiply. */
const quarters = 4

/**
 * The units to take of what an adapter lists, at most one of each type. Sums must be f32: those in f16 overflow. Larger shapes
 * read less; of equals the first, since drivers list what they like first.
 */
export function unitsOf(shapes: readonly UnitShape[], room: Room): Unit[] {
  return (['f16', 'f32'] as const).flatMap((type) => {
    const fit = shapes
      .filter((s) => s.componentType === type && s.resultComponentType === 'f32')
      // Rows of tiles begin at 16 bytes.
      .filter(({ M, N, K }) => [M, N, K].every((size) => size % 8 === 0) && 32 % K === 0)
      .map(({ M: m, N: n, K: k }): Unit => {
        const unit = { type, m, n, k, threads: quarters * room.subgroup, sides: [] }
        return { ...unit, sides: [128, 64, 32].filter((side) => isPossible(unit, side, room)).slice(0, 2) }
      })
      .filter(({ sides, threads }) => sides.length > 0 && threads <= room.threads)
    const best = Math.max(...fit.map(({ m, n, k }) => m * n * k))
    return fit.filter(({ m, n, k }) => m * n * k === best).slice(0, 1)
  })
}

/** Whole subgroup matrices in each quarter, not more of them than registers hold, and tiles in a group's memory. */
function isPossible({ type, m, n, k }: Unit, side: number, room: Room): boolean {
  const [down, across] = [side / 2 / m, side / 2 / n]
  if (!Number.isInteger(down) || !Number.isInteger(across) || down * across > 16) return false
  return stepOf({ type, m, n, k }, side, room.storage) > 0
}

/** How far k goes at once; 0: the tiles have no room. */
function stepOf({ type, m, n, k }: Pick<Unit, 'type' | 'm' | 'n' | 'k'>, side: number, storage: number): number {
  const width = type === 'f16' ? 2 : 4
  const bytes = (step: number) => 2 * side * (step * width + 16) + 4 * quarters * m * n
  return [32, 16].find((step) => step % k === 0 && bytes(step) <= storage) ?? 0
}

/** What A, B and C are where units of a type take a product; f32 that would have to become f16 first is left alone. */
const types = {
  f16: ['f16 f16 f16', 'f16 f16 f32'],
  f32: ['f32 f32 f32', 'f32 f16 f32', 'f16 f16 f16', 'f16 f16 f32'],
} as const

const roomOf = ({ gpu: { adapterInfo, limits } }: Device): Room => ({
  subgroup: adapterInfo?.subgroupMaxSize ?? 0,
  threads: Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX),
  storage: limits.maxComputeWorkgroupStorageSize,
})

const found = new WeakMap<Device, Unit[]>()

/** The units of a device; none where it was not opened with `experimental`. A processor takes minutes to compile the larger pieces. */
export function deviceUnits(device: Device): Unit[] {
  let units = found.get(device)
  if (!units) {
    units = unitsOf(device.units, roomOf(device))
    if (device.software) units = units.map((unit) => ({ ...unit, sides: unit.sides.slice(-1) }))
    found.set(device, units)
  }
  return units
}

function constantsOf({ type, m, n, k, threads }: Unit, storage: number, side: number, form: number, [a, b, c]: DType[]): Constants {
  return {
    FORM: form,
    UNIT_M: m,
    UNIT_N: n,
    UNIT_K: k,
    DOWN: side / 2 / m,
    ACROSS: side / 2 / n,
    STEP: stepOf({ type, m, n, k }, side, storage),
    PAD: type === 'f16' ? 2 : 1,
    THREADS: threads,
    TA: a,
    TB: b,
    TC: c,
    Unit: type,
  }
}

/** Every set of constants that products may give the kernel: two types of units share what they take. */
export function formsOfUnits(units: Unit[], storage: number): Constants[] {
  return units.flatMap((unit) =>
    types[unit.type]
      .filter((name) => units[0] === unit || !types.f16.some((better) => better === name))
      .flatMap((name) =>
        unit.sides.flatMap((side) => [0, 1, 2].map((form) => constantsOf(unit, storage, side, form, name.split(' ') as DType[]))),
      ),
  )
}

/** The same of a device. */
export const unitForms = (device: Device): Constants[] => formsOfUnits(deviceUnits(device), roomOf(device).storage)

const typesOf = ({ a, b, c }: Job) => [a, b, c].map(({ tensor }) => tensor.dtype)

/** The units that take a product's numbers as they are. */
function unitOf(job: Job): Unit | undefined {
  if (vectorForm(job) === null) return undefined
  const name = typesOf(job).join(' ')
  return deviceUnits(job.c.tensor.device).find(({ type }) => types[type].some((known) => known === name))
}

/** A group a piece of C. */
function run(device: Device, job: Job, side: number): void {
  const { op, m, n, batches, bind, flops, bytes } = job
  const constants = constantsOf(unitOf(job) as Unit, roomOf(device).storage, side, vectorForm(job) as number, typesOf(job))
  const groups = Math.ceil(m / side) * Math.ceil(n / side) * batches
  device.run({ op, shader, constants, bind: inVectors(bind), words: vectorWords(job, 0, 1).slice(0, -1), groups, flops, bytes })
}

const trusted = new WeakSet<Device>()

/** From now on products of this device may take its units: their kernels were checked on it. */
export function trustUnits(device: Device): void {
  trusted.add(device)
}

/** Pieces that keep a large GPU busy; a smaller one if not. */
const enough = 128

function usual(job: Job): Variant | undefined {
  const { m, n, batches, c } = job
  const unit = trusted.has(c.tensor.device) && !c.tensor.device.software ? unitOf(job) : undefined
  if (!unit) return undefined
  const pieces = (side: number) => Math.ceil(m / side) * Math.ceil(n / side)
  // What lies outside C costs what lies inside.
  const fits = unit.sides.filter((side) => m * n >= 0.4 * pieces(side) * side * side)
  const side = fits.find((s) => pieces(s) * batches >= enough) ?? fits.at(-1)
  return side === undefined ? undefined : `units-${side}`
}

function all(job: Job): Variant[] {
  const unit = trusted.has(job.c.tensor.device) ? unitOf(job) : undefined
  return (unit?.sides ?? []).map((side) => `units-${side}`)
}

kernels.units = run
extras.push({ all, usual })
