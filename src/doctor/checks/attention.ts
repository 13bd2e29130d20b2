import { type Case, type Check, type Constants, type Form, f32, numeric, type Random, read, type Slot, uniform, written } from '../check'

// 12 groups, neither full; heads lie apart in wider rows; the second sequence has no keys.
const [batch, heads, n, quads] = [3, 2, 41, 9]
const [row, maskAt, words] = [heads * quads + 1, 5, 2]
const [aAt, bAt, xAt, yAt, outAt] = [1, 2, 3, 4, 2]
const secondAt = outAt + batch * n * row + 1
const [scaleA, scaleB, scaleOut, scaleSecond] = [0.25, 1.25, 0.75, 1.5]

const directions = [0, 1, 2].map((FORM): Constants => {
  const HALVES = FORM ? 2 : 1
  return { FORM, QUADS: 2, OWNED: 8, HALVES, SUMS: 4 * HALVES }
})
/** What of each direction is q, k, v or o; all else is a gradient. */
const activations = [['Out', 'A', 'B', 'X', 'Y'], ['A', 'X', 'Y'], ['A', 'B', 'X'], ['B']]
const halves = (form: Constants): Constants => Object.fromEntries(activations[numeric(form, 'FORM', 0)].map((alias) => [alias, 'vec4h']))

export const attention: Check = {
  forms: [...directions, { FORM: 3, Out: 'f32' }].flatMap((form): Form[] => [
    { constants: form, on: 'gpus' },
    { constants: { ...form, ...halves(form) }, on: 'gpus' },
  ]),
  cases: (constants, random) => [constants.FORM === 3 ? dots(random) : passes(constants, random)],
}

const place = (at: number, head: number, i: number) => 4 * (at + (Math.floor(head / heads) * n + i) * row + (head % heads) * quads)

/** Row i of a head, of numbers that begin `at` vec4s after the binding does. */
function rowOf<T extends Float32Array | Float64Array>(x: T, at: number, head: number, i: number): T {
  const start = place(at, head, i)
  return x.subarray(start, start + 4 * quads) as T
}
const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, v, c) => sum + v * b[c], 0)
const add = (to: Float64Array, factor: number, x: Float32Array) => {
  for (let c = 0; c < x.length; c++) to[c] = (Number.isNaN(to[c]) ? 0 : to[c]) + factor * x[c]
}
const draw = (random: Random, at: number) => uniform(random, 4 * (at + batch * n * row), -1, 1)

/** For each query i and key j of each head: P, what dropout leaves of it, and log2 of each query's sum. */
function probabilities(scores: (head: number, i: number, j: number) => number, mask: Int32Array, bits: Uint32Array) {
  const p = new Float64Array(batch * heads * n * n)
  const log = new Float32Array(batch * heads * n)
  for (let head = 0; head < batch * heads; head++)
    for (let i = 0; i < n; i++) {
      const at = (head * n + i) * n
      let sum = 0
      for (let j = 0; j < n; j++) sum += p[at + j] = mask[maskAt + Math.floor(head / heads) * n + j] ? 2 ** scores(head, i, j) : 0
      for (let j = 0; j < n; j++) if (sum > 0) p[at + j] /= sum
      log[head * n + i] = sum > 0 ? Math.log2(sum) : 0
    }
  const keep = p.map((_, at) => (bits[Math.floor(at / n) * words + ((at % n) >> 5)] >>> (at % n)) & 1)
  return { p, keep, log }
}

function passes(constants: Constants, random: Random): Case {
  const form = numeric(constants, 'FORM', 0)
  const [a, b, x, y] = [aAt, bAt, xAt, yAt].map((at) => draw(random, at))
  const mask = Int32Array.from({ length: maskAt + batch * n }, () => random.below(4))
  mask.fill(0, maskAt + n, maskAt + 2 * n)
  const bits = Uint32Array.from({ length: batch * heads * n * words }, () => random.below(2 ** 32))
  const pair = form === 2 ? (i: number, j: number) => [j, i] : (i: number, j: number) => [i, j]
  const product = (u: Float32Array, uAt: number, v: Float32Array, vAt: number) => (head: number, i: number, j: number) => {
    const [own, other] = pair(i, j)
    return dot(rowOf(u, uAt, head, own), rowOf(v, vAt, head, other))
  }
  const [scores, slopes] = [product(a, aAt, x, xAt), product(b, bAt, y, yAt)]
  const { p, keep, log } = probabilities((...at) => scaleA * scores(...at), mask, bits)
  const mean = uniform(random, log.length)
  const out = new Float64Array(4 * (outAt + (form === 2 ? 2 : 1) * (batch * n * row + 1))).fill(NaN)
  for (let at = 0; at < p.length; at++) {
    const [head, i, j] = [Math.floor(at / n / n), Math.floor(at / n) % n, at % n]
    const [own, other] = pair(i, j)
    const to = rowOf(out, outAt, head, own)
    const left = p[at] * keep[at]
    if (form === 0) add(to, scaleOut * left, rowOf(y, yAt, head, other))
    else add(to, scaleOut * p[at] * (keep[at] * scaleB * slopes(head, i, j) - mean[head * n + i]), rowOf(x, xAt, head, other))
    if (form === 2) add(rowOf(out, secondAt, head, own), scaleSecond * left, rowOf(y, yAt, head, other))
  }
  const stats = new Float64Array(2 * log.length).fill(NaN)
  log.forEach((v, i) => (stats[2 * i] = v))
  const known = Float32Array.from(stats, (_, i) => (i % 2 ? mean : log)[i >> 1])
  const before = new Float32Array(out.length).fill(3)
  const last: Slot = form === 0 ? written(stats, known.fill(3)) : read(known)
  const places = [aAt, bAt, xAt, yAt, outAt].flatMap((at) => [at, row])
  return {
    words: [0, n, heads, quads, ...places, secondAt, maskAt, 1, words, ...[scaleA, scaleB, scaleOut, scaleSecond].map(f32)],
    groups: batch * heads * 2,
    slots: [written(out, before), read(a), read(b), read(x), read(y), last, read(mask), read(bits)],
  }
}

function dots(random: Random): Case {
  const [a, b] = [aAt, bAt].map((at) => draw(random, at))
  const count = batch * heads * n
  const stats = new Float64Array(2 * count).fill(NaN)
  for (let i = 0; i < count; i++) {
    const head = Math.floor(i / n)
    stats[2 * i + 1] = dot(rowOf(a, aAt, head, i % n), rowOf(b, bAt, head, i % n))
  }
  return {
    words: [count, n, heads, quads, aAt, row, bAt, row],
    groups: Math.ceil(count / 64),
    slots: [written(stats, new Float32Array(2 * count).fill(3)), read(a), read(b)],
  }
}
