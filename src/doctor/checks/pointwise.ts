import { philox4x32 } from '../../ops/philox'
import {
  type Case,
  type Check,
  type Constants,
  combinations,
  type Form,
  f32,
  numeric,
  orHalf,
  type Random,
  read,
  table,
  uniform,
  widthOf,
  written,
} from '../check'
import { gelu, geluSlope, geluTanh, geluTanhSlope } from '../special'

const flags = (name: string): Form[] => [false, true].map((on) => ({ constants: { [name]: on } }))
const formsOf = (...forms: number[]): Form[] => forms.map((FORM) => ({ constants: { FORM } }))

/** How `cellsOf` lets element-by-element kernels read. */
const cells: Form[] = [
  { constants: { Cell: 'f32', PER_THREAD: 1 } },
  { constants: { Cell: 'vec4f', PER_THREAD: 1 } },
  { constants: { Cell: 'vec4f', PER_THREAD: 4 }, on: 'processors' },
]

/** Numbers of a thread. */
const shareOf = (constants: Constants) => widthOf(constants) * numeric(constants, 'PER_THREAD', 1)

/** Shares of eight groups and a bit. */
const shares = 8 * 64 + 5

const combine = [
  (a: number, b: number) => a + b,
  (a: number, b: number) => a - b,
  (a: number, b: number) => a * b,
  (a: number, _b: number, s: number) => a * s,
  (_a: number, _b: number, s: number) => s,
  (a: number) => a,
  (a: number, _b: number, _s: number, out: number) => out + a,
]

export const elementwise: Check = {
  forms: [
    ...combinations(orHalf(orHalf(cells, 'A'), 'B'), formsOf(0, 1, 2), flags('BROADCAST')),
    ...combinations(orHalf(cells, 'A'), formsOf(3), [{ constants: { BROADCAST: false } }]),
    ...combinations(cells, formsOf(4, 5, 6), [{ constants: { BROADCAST: false } }]),
  ],
  cases(constants, random) {
    const form = numeric(constants, 'FORM', 0)
    const share = shareOf(constants)
    const count = constants.BROADCAST ? 7 * Math.ceil(shares / 7) : shares
    const period = constants.BROADCAST ? 7 : count
    const [out, a, b] = [count, count, period].map((n) => uniform(random, n * share))
    const values = table(count * share, (i) => combine[form](a[i], b[i % b.length], 0.75, out[i]))
    const inputs = form === 4 ? [] : form > 2 ? [a] : [a, b]
    return [{ words: [count, f32(0.75), period], groups: 9, slots: [written(values, out), ...inputs.map(read)] }]
  },
}

const functions: [(x: number) => number, (x: number) => number][] = [
  [gelu, geluSlope],
  [geluTanh, geluTanhSlope],
  [Math.tanh, (x) => 1 / Math.cosh(x) ** 2],
  [(x) => Math.max(x, 0), (x) => (x > 0 ? 1 : 0)],
]
/** Where a wrong formula overflows or cancels. */
const far = [13, -13, 100, -100, 1e4, -1e4, 0, 1e-20, -1e-20, 0.01, -0.01, 0.14, -0.16, 6, -6, 3e38]
/** Those that half floats hold. */
const half = [13, -13, 100, -100, 1e4, -1e4, 0, 0.125, -0.125, 0.15625, -0.15625, 6, -6, 32768, 2 ** -24, -(2 ** -24)]

export const activation: Check = {
  forms: combinations(orHalf(cells), formsOf(0, 1, 2, 3), flags('BACKWARD')),
  cases(constants, random) {
    const share = shareOf(constants)
    const [f, slope] = functions[numeric(constants, 'FORM', 0)]
    const one = (x: Float32Array, each: boolean): Case => {
      const dy = uniform(random, x.length)
      const values = table(x.length, (i) => (constants.BACKWARD ? dy[i] * slope(x[i]) : f(x[i])))
      const inputs = constants.BACKWARD ? [x, dy] : [x]
      const count = x.length / share
      return { words: [count], groups: Math.ceil(count / 64), slots: [written(values), ...inputs.map(read)], each }
    }
    return [one(uniform(random, shares * share, -3, 3), false), one(Float32Array.from(constants.X ? half : far), true)]
  },
}

export const broadcast: Check = {
  forms: [{}],
  cases: () => [{ words: [523, f32(0.75)], groups: 9, slots: [written(table(523, () => 0.75 * 1.5)), read(Float32Array.of(1.5))] }],
}

export const mse: Check = {
  forms: formsOf(0, 1),
  cases(constants, random) {
    const count = 523
    const [a, t, dy] = [uniform(random, count), uniform(random, count), Float32Array.of(1.5)]
    const backward = constants.FORM === 1
    const factor = Math.fround(2 / count)
    const values = table(count, (i) => (backward ? 1.5 * factor * (a[i] - t[i]) : (a[i] - t[i]) ** 2))
    return [{ words: [count, f32(factor)], groups: 9, slots: [written(values), ...[a, t, ...(backward ? [dy] : [])].map(read)] }]
  },
}

export const firstToken: Check = {
  forms: [{ constants: { BACKWARD: true } }, ...orHalf([{ constants: { BACKWARD: false } }])],
  cases({ BACKWARD }, random) {
    const [batch, length, hidden] = [50, 3, 11]
    const x = uniform(random, batch * (BACKWARD ? 1 : length) * hidden)
    const place = (i: number) => [Math.floor(i / (length * hidden)), Math.floor(i / hidden) % length, i % hidden]
    const values = BACKWARD
      ? table(batch * length * hidden, (i) => {
          const [b, t, h] = place(i)
          return t === 0 ? x[b * hidden + h] : 0
        })
      : table(batch * hidden, (i) => x[Math.floor(i / hidden) * length * hidden + (i % hidden)])
    return [{ words: [values.length, hidden, length], groups: Math.ceil(values.length / 64), slots: [written(values), read(x)] }]
  },
}

export const dropout: Check = {
  forms: [
    ...combinations(orHalf([{ constants: { WIDE: false, Cell: 'f32' } }, { constants: { WIDE: true, Cell: 'vec4f' } }]), [
      { constants: { PER_THREAD: 4 }, on: 'processors' },
      { constants: { PER_THREAD: 1 }, on: 'gpus' },
    ]),
    { constants: { BITS: true, Cell: 'u32' } },
  ],
  cases: (constants, random) => [constants.BITS ? droppedBits() : dropped(constants, random)],
}

const [threshold, stream] = [20000, 3]
const state = Uint32Array.of(0x9abcdef0, 0x12345678, 0x80000007, 5)

/** For each element: is it kept. They are asked for in order. */
function drawn(block0: number): (i: number) => boolean {
  let numbers: number[] = []
  return (i) => {
    if (i % 8 === 0) numbers = philox4x32([block0 + i / 8, stream, state[2], 0], [state[0], state[1]])
    return ((numbers[(i % 8) >> 1] >>> (16 * (i & 1))) & 0xffff) >= threshold
  }
}

function dropped(constants: Constants, random: Random): Case {
  const perGroup = 64 * numeric(constants, 'PER_THREAD', 1)
  const count = 8 * (8 * perGroup + 5) - (constants.WIDE ? 4 : 3)
  const [block0, scale] = [9, 1.5]
  const x = uniform(random, count)
  const kept = drawn(block0)
  const values = table(count, (i) => (kept(i) ? x[i] * scale : 0))
  return { words: [count, threshold, stream, block0, f32(scale)], groups: 9, slots: [written(values), read(x), read(state)] }
}

/** Rows that begin at each place of a block. */
function droppedBits(): Case {
  const [rows, n, words] = [261, 37, 2]
  const kept = drawn(0)
  const all = Array.from({ length: Math.ceil((rows * words * 32) / 8) * 8 }, (_, i) => kept(i))
  const values = new Uint32Array(rows * words)
  for (let row = 0; row < rows; row++)
    for (let j = 0; j < 32 * words; j++) if (all[row * n + j]) values[row * words + (j >> 5)] |= 1 << (j & 31)
  const words0 = new Uint32Array(values.length + 8).fill(7)
  const slot = { before: words0, after: Float64Array.from(words0, (_, i) => values[i] ?? NaN) }
  return { words: [values.length, threshold, stream, n, words], groups: 9, slots: [slot, read(state)], each: true }
}
