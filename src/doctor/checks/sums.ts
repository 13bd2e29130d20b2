import { type Case, type Check, type Constants, f32, numeric, orHalf, type Random, read, table, uniform, written } from '../check'

// Sums are of positive numbers: what cancels has no relative error to speak of.
const positive = (random: Random, count: number) => uniform(random, count, 0.5, 1.5)

export const reduce: Check = {
  forms: orHalf([{ constants: { FORM: 0, PER_PART: 64 } }, { constants: { FORM: 1 } }]),
  cases: (constants, random) => [constants.FORM === 1 ? sumOfAll(constants, random) : sumsOfColumns(constants, random)],
}

function sumsOfColumns(constants: Constants, random: Random): Case {
  const perPart = numeric(constants, 'PER_PART', 64)
  const [rows, columns, xAt, outAt, scale] = [3 * perPart + 3, 67, 5, 3, 0.75]
  const x = positive(random, xAt + rows * columns)
  const values = new Float64Array(outAt + Math.ceil(rows / perPart) * columns)
  for (let row = 0; row < rows; row++)
    for (let j = 0; j < columns; j++) values[outAt + Math.floor(row / perPart) * columns + j] += scale * x[xAt + row * columns + j]
  values.fill(NaN, 0, outAt)
  const groups = Math.ceil(rows / perPart) * Math.ceil(columns / 64)
  const before = new Float32Array(values.length).fill(3)
  return { words: [rows, columns, f32(scale), xAt, outAt], groups, slots: [written(values, before), read(x)] }
}

function sumOfAll(constants: Constants, random: Random): Case {
  const perGroup = numeric(constants, 'PER_GROUP', 4096)
  const [groups, xAt, outAt, scale] = [9, 5, 3, 0.75]
  const count = (groups - 1) * perGroup + 77
  const x = positive(random, xAt + count)
  const values = table(outAt + groups, (i) => (i < outAt ? NaN : 0))
  for (let i = 0; i < count; i++) values[outAt + Math.floor(i / perGroup)] += scale * x[xAt + i]
  const before = new Float32Array(values.length).fill(3)
  return { words: [count, 0, f32(scale), xAt, outAt], groups, slots: [written(values, before), read(x)] }
}

export const adamw: Check = {
  forms: [0, 1, 2].map((FORM) => ({ constants: { FORM } })),
  cases(constants, random) {
    if (constants.FORM === 0) return [squares(random)]
    if (constants.FORM === 1) return norms(random)
    return [true, false].map((apply) => step(random, apply))
  },
}

function squares(random: Random): Case {
  const [perGroup, groups, at] = [4096, 9, 3]
  const grad = uniform(random, (groups - 1) * perGroup + 77)
  const partial = table(at + groups, (i) => (i < at ? NaN : 0))
  grad.forEach((g, i) => {
    partial[at + Math.floor(i / perGroup)] += g ** 2
  })
  return { words: [grad.length, at], groups, slots: [written(partial, new Float32Array(partial.length).fill(3)), read(grad)] }
}

function norms(random: Random): Case[] {
  const partial = positive(random, 67)
  const endless = partial.slice()
  endless[65] = Number.POSITIVE_INFINITY
  const norm = Math.sqrt(partial.reduce((sum, p) => sum + p, 0))
  const hyper = Float32Array.of(0.1, 0.2, 0.3, 7)
  const one = (sums: Float32Array, maxNorm: number, bad: number, status: number[], { loss = 0.5, hold = 0 } = {}): Case => ({
    words: [hold, sums.length, f32(maxNorm)],
    groups: 1,
    slots: [written(status, [9, 9, 9, bad]), read(sums), read(hyper), read(Float32Array.of(loss))],
    each: true,
  })
  const huge = 2 ** 127 // what stands for a norm that is not finite
  return [
    one(partial, 1.5, 0, [norm, 1.5 / (norm + 1e-6), 1, 0]),
    one(partial, 100, 2, [norm, 1, 1, 2]),
    one(partial, 0, 0, [norm, 1, 1, 0]),
    one(endless, 1.5, 0, [huge, 1, 0, 7]),
    one(endless, 1.5, 2, [huge, 1, 0, 2]),
    one(partial, 100, 2, [norm, 1, 0, 2], { hold: 1 }),
    one(partial, 1.5, 0, [norm, 1.5 / (norm + 1e-6), 0, 7], { loss: Number.NaN }),
  ]
}

export const lossScale: Check = {
  forms: [{}],
  cases() {
    const [maxNorm, rest1, rest2, every] = [1.5, 0.25, 0.125, 5]
    const one = (
      state: number[],
      status: number[],
      loss: number,
      after: { state: number[]; status: number[]; hyper?: number[] },
    ): Case => ({
      words: [maxNorm, rest1, rest2, every].map(f32),
      groups: 1,
      slots: [
        written(after.state, state),
        written(after.status, status),
        written(after.hyper ?? [0.1, 0.2, 0.3, 7], [0.1, 0.2, 0.3, 7]),
        read(Float32Array.of(loss)),
      ],
      each: true,
    })
    const clipped = 1.5 / (3 + 1e-6) / 8
    const endless = [2 ** 127, 1, 0, 7]
    return [
      // A good step; the last before the scale doubles; one where some were left out; one at the largest scale.
      one([8, 3, 0, 0.5, 0.25], [24, 9, 1, 0], 1, { state: [8, 4, 0, 0.625, 0.34375], status: [3, clipped, 1, 0] }),
      one([8, 4, 0, 0.5, 0.25], [4, 9, 1, 0], 1, { state: [16, 0, 0, 0.625, 0.34375], status: [0.5, 0.125, 1, 0] }),
      one([8, 3, 2, 0.5, 0.25], [24, 9, 1, 0], 1, {
        state: [8, 4, 2, 0.625, 0.34375],
        status: [3, clipped, 1, 0],
        hyper: [0.1, 0.625, 0.34375, 7],
      }),
      one([2 ** 32, 4, 0, 0, 0], [2 ** 32, 9, 1, 0], 1, { state: [2 ** 32, 0, 0, 0.25, 0.125], status: [1, 2 ** -32, 1, 0] }),
      // Gradients that are not finite; at the least scale; a loss that is not; a step refused before.
      one([8, 3, 2, 0.5, 0.25], endless, 1, { state: [4, 0, 3, 0.5, 0.25], status: [2 ** 127, 1, 0, 0] }),
      one([1, 3, 2, 0.5, 0.25], endless, 1, { state: [1, 3, 2, 0.5, 0.25], status: endless }),
      one([8, 3, 2, 0.5, 0.25], endless, Number.NaN, { state: [8, 3, 2, 0.5, 0.25], status: endless }),
      one([8, 3, 2, 0.5, 0.25], [24, 1, 0, 6], 1, { state: [8, 3, 2, 0.5, 0.25], status: [24, 1, 0, 6] }),
    ]
  },
}

function step(random: Random, apply: boolean): Case {
  const count = 8 * 256 + 70
  const [beta1, beta2, eps, decay, lrScale] = [0.75, 0.875, Math.fround(1e-3), 0.25, 0.5]
  const [lr, c1, c2, clip] = [0.25, 0.5, 0.625, 0.375]
  const [p, m, grad, v] = [uniform(random, count), uniform(random, count), uniform(random, count), positive(random, count)]
  const g = (i: number) => clip * grad[i]
  const m1 = table(count, (i) => beta1 * m[i] + (1 - beta1) * g(i))
  const v1 = table(count, (i) => beta2 * v[i] + (1 - beta2) * g(i) ** 2)
  const rate = lr * lrScale
  const p1 = table(count, (i) => p[i] * (1 - rate * decay) - (rate * (m1[i] / c1)) / (Math.sqrt(v1[i] / c2) + eps))
  const untouched = new Float64Array(count).fill(NaN)
  const written3 = [p1, m1, v1].map((after, i) => written(apply ? after : untouched, [p, m, v][i]))
  const floats = [0, beta1, beta2, eps, decay, lrScale, 1 - beta1, 1 - beta2].map(f32)
  const [hyper, status] = [Float32Array.of(lr, c1, c2, 7), Float32Array.of(3, clip, apply ? 1 : 0, 0)]
  return { words: [count, 0, ...floats], groups: 9, slots: [...written3, ...[grad, hyper, status].map(read)] }
}

/** Where y is half floats, one table gives it or the last of several. */
const lookUps = [
  ...orHalf([{ constants: { FORM: 0, SUM: false } }], 'Table'),
  { constants: { FORM: 0, SUM: false, Y: 'f16', Table: 'f16' } },
  ...orHalf([{ constants: { FORM: 0, SUM: true, Y: 'f16' } }], 'Table'),
]

export const embedding: Check = {
  forms: [{ constants: { FORM: 1 } }, ...lookUps],
  cases(constants, random) {
    if (constants.FORM === 1) return [gathered(random)]
    return constants.SUM ? [lookedUp(random, 'sum')] : [lookedUp(random), lookedUp(random, 'add')]
  },
}

/** Rows row0 … row0 + rows − 1 of a table are here; ids point below, into and past them. */
const [row0, rows] = [4, 6]

function lookedUp(random: Random, to?: 'add' | 'sum'): Case {
  const [count, h, position0] = [105, 5, 3]
  const ids = Int32Array.from({ length: position0 + count }, (_, i) => (i === position0 ? -1 : random.below(14)))
  const part = uniform(random, rows * h)
  const [before, sum] = [uniform(random, count * h), uniform(random, count * h)]
  const more = to === 'add' ? before : to === 'sum' ? sum : undefined
  const values = table(count * h, (i) => {
    const row = ids[position0 + Math.floor(i / h)] - row0
    return row >= 0 && row < rows ? part[row * h + (i % h)] + (more?.[i] ?? 0) : NaN
  })
  const slots = [written(values, before), read(part), read(ids), ...(to === 'sum' ? [read(sum)] : [])]
  return { words: [count, h, row0, rows, position0, to === 'add' ? 1 : 0], groups: 9, slots }
}

function gathered(random: Random): Case {
  const [h, position0, positions, count] = [70, 3, 9, 15]
  const ids = Int32Array.from({ length: count }, () => 2 + random.below(10))
  const order = Int32Array.from(ids.keys()).sort((a, b) => ids[a] - ids[b] || a - b)
  const runs = new Int32Array(count * 3).fill(-1)
  let at = -1
  order.forEach((position, i) => {
    if (i === 0 || ids[position] !== ids[order[i - 1]]) runs.set([ids[position], i, i + 1], 3 * ++at)
    else runs[3 * at + 2] = i + 1
  })
  const [dy, before] = [uniform(random, positions * h), uniform(random, rows * h)]
  const values = new Float64Array(rows * h).fill(NaN)
  ids.forEach((id, position) => {
    const row = id - row0
    if (row < 0 || row >= rows) return
    for (let j = 0; j < h; j++) {
      const i = row * h + j
      const here = position >= position0 && position < position0 + positions
      values[i] = (Number.isNaN(values[i]) ? before[i] : values[i]) + (here ? dy[(position - position0) * h + j] : 0)
    }
  })
  const slots = [written(values, before), ...[dy, runs, order].map(read)]
  return { words: [count, h, row0, rows, position0, positions], groups: count, slots }
}
