import { f32, type Word } from '../gpu/commands'
import type { Constants } from '../gpu/wgsl'

export { type Constants, f32, type Word }

/** Random numbers, the same in every run; quicker than Philox. */
export class Random {
  #state = 2024

  /** `half`: for a kernel that takes half floats, which must hold the numbers that `uniform` draws. */
  constructor(readonly half = false) {}

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number in [0, n). */
  below(n: number): number {
    return Math.floor(n * this.next())
  }
}

/** A storage binding: what it holds before the dispatch and, where the kernel writes, after it. */
export interface Slot {
  before: Float32Array | Int32Array | Uint32Array
  /** In float64; NaN where the kernel must not write. */
  after?: Float64Array
}

/** One dispatch with known inputs and known results. */
export interface Case {
  /** Words of the uniform after {base, total}. */
  words: Word[]
  groups: number
  /** Bindings 1, 2, … */
  slots: Slot[]
  /** Compare every number by itself: without it, a tensor by its norm. */
  each?: boolean
}

/** A set of constants that ops give to a kernel. */
export interface Form {
  constants?: Constants
  /** Ops take it on these alone. Default: on both. */
  on?: 'processors' | 'gpus'
  /** Runs only where subgroups are this many threads. */
  subgroups?: number
  /** Runs only on a device with matrix units. */
  units?: boolean
}

/** How the kernels of one .wgsl file are checked. */
export interface Check {
  /** Default `main`. */
  entry?: string
  forms: Form[]
  /** Odd shapes for these constants; any that ops may give, not only those in `forms`. */
  cases: (constants: Constants, random: Random) => Case[]
}

const untouched = -7.75

/** A written binding whose first numbers are `values`; the slack after them must stay as it is. */
export function written(values: ArrayLike<number>, before?: ArrayLike<number>): Slot {
  const slack = 8
  const slot = { before: new Float32Array(values.length + slack).fill(untouched), after: new Float64Array(values.length + slack).fill(NaN) }
  if (before) slot.before.set(before)
  slot.after.set(values)
  return slot
}

/** A binding that is only read. */
export const read = (before: Slot['before']): Slot => ({ before })

/** Numbers spread evenly over [low, high); for half floats one of 256 or more steps, so that the sum of two is exact too. */
export function uniform(random: Random, count: number, low = -2, high = 2): Float32Array {
  const step = random.half ? 2 ** (Math.ceil(Math.log2(high - low)) - 8) : 0
  const near = (v: number) => (step ? step * Math.round(v / step) : v)
  return new Float32Array(count).map(() => near(low + (high - low) * random.next()))
}

/** n numbers by index, in float64. */
export const table = (n: number, value: (i: number) => number) => new Float64Array(n).map((_, i) => value(i))

/** A constant as a number; `fallback` is the file's own value. */
export const numeric = (constants: Constants, name: string, fallback: number) => Number(constants[name] ?? fallback)

/** Numbers in a cell: 4 where the kernel reads vec4s. */
export const widthOf = ({ Cell }: Constants) => (Cell === 'vec4f' ? 4 : 1)

/** Forms for f32 and, where `alias` is a kernel's name for the dtype of an operand, for its half floats too. */
export const orHalf = (forms: Form[], alias = 'X'): Form[] =>
  forms.flatMap((form) => [
    form,
    { ...form, constants: { ...form.constants, [alias]: widthOf(form.constants ?? {}) === 4 ? 'vec4h' : 'f16' } },
  ])

/** Every combination of one set of constants of each list. */
export function combinations(...lists: Form[][]): Form[] {
  return lists.reduce((all, list) =>
    all.flatMap((a) => list.map((b): Form => ({ ...a, ...b, constants: { ...a.constants, ...b.constants }, on: a.on ?? b.on }))),
  )
}
