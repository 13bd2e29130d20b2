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
  written,
} from '../check'

/** How `rowGroups` shares the rows, and how `rowCells` reads them. */
const shares: Form[] = [
  { constants: { LANES: 1, ROWS: 16, GROUP: 16 }, on: 'processors' },
  { constants: { LANES: 32, ROWS: 4, GROUP: 128 }, on: 'gpus' },
]
const narrow = { WIDE: false, Cell: 'f32' }
const wide = { WIDE: true, Cell: 'vec4f' }

/** Nine groups of rows, more cells than a row has threads, neither full. */
function shape(constants: Constants) {
  const width = constants.WIDE ? 4 : 1
  const cells = constants.BLOCKS ? 36 : 37
  return { rows: 8 * numeric(constants, 'ROWS', 16) + 3, cells, n: cells * width, width }
}

const sum = (n: number, term: (j: number) => number) => {
  let total = 0
  for (let j = 0; j < n; j++) total += term(j)
  return total
}

const softmaxForms = (...cells: { WIDE: boolean; Cell: string; BLOCKS?: boolean }[]): Form[] =>
  cells.flatMap((cell) =>
    [
      { MASK: false, BACKWARD: false },
      { MASK: true, BACKWARD: false },
      { MASK: false, BACKWARD: true },
    ].map((kind) => ({ constants: { BLOCKS: false, ...cell, MaskCell: cell.WIDE ? 'vec4i' : 'i32', ...kind } })),
  )

export const softmax: Check = {
  forms: [
    ...combinations(shares, softmaxForms(narrow, wide)),
    ...combinations(shares.slice(0, 1), softmaxForms({ ...wide, BLOCKS: true })).filter(({ constants }) => !constants?.BACKWARD),
  ],
  cases: (constants, random) => [constants.BACKWARD ? softmaxBackward(constants, random) : softmaxForward(constants, random)],
}

function softmaxForward(constants: Constants, random: Random): Case {
  const { rows, cells, n, width } = shape(constants)
  const [scale, perMask, first, maskAt] = [0.75, 3, 2, constants.BLOCKS ? 8 : 5]
  const x = uniform(random, rows * n, -9, 9)
  const mask = Int32Array.from({ length: maskAt * width + Math.ceil((first + rows) / perMask) * n }, () => random.below(2))
  mask.fill(0, maskAt * width + n, maskAt * width + 2 * n) // a row that is masked altogether
  const keep = (row: number, j: number) => !constants.MASK || mask[maskAt * width + Math.floor((first + row) / perMask) * n + j] !== 0
  const values = new Float64Array(rows * n)
  for (let row = 0; row < rows; row++) {
    const e = table(n, (j) => (keep(row, j) ? Math.exp(scale * x[row * n + j]) : 0))
    const all = sum(n, (j) => e[j])
    for (let j = 0; j < n; j++) values[row * n + j] = all > 0 ? e[j] / all : 0
  }
  return {
    words: [rows, cells, f32(scale), perMask, first, maskAt],
    groups: 9,
    slots: [written(values), read(x), ...(constants.MASK ? [read(mask)] : [])],
  }
}

function softmaxBackward(constants: Constants, random: Random): Case {
  const { rows, cells, n } = shape(constants)
  const scale = 0.75
  const [p, dp] = [uniform(random, rows * n, 0, 0.1), uniform(random, rows * n)]
  const dots = table(rows, (row) => sum(n, (j) => p[row * n + j] * dp[row * n + j]))
  const values = table(rows * n, (i) => scale * p[i] * (dp[i] - dots[Math.floor(i / n)]))
  return { words: [rows, cells, f32(scale), 1, 0, 0], groups: 9, slots: [written(values), read(p), read(dp)] }
}

export const layernorm: Check = {
  forms: combinations(
    shares,
    orHalf([narrow, wide].map((constants) => ({ constants }))),
    [
      { FORM: 0, ADD: false, DROP: false },
      { FORM: 0, ADD: true, DROP: false },
      { FORM: 0, ADD: true, DROP: true },
      { FORM: 1, ADD: false, DROP: false },
      { FORM: 1, ADD: true, DROP: true },
      { FORM: 2, ADD: false, DROP: false },
    ].map((constants) => ({ constants })),
  ),
  cases: (constants, random) => [constants.FORM ? layernormBackward(constants, random) : layernormForward(constants, random)],
}

const statsAt = 5

/** Dropout's bits, from some place on: words, binding, and what becomes of number i. */
function dropping({ DROP }: Constants, random: Random, rows: number, n: number) {
  const [bitsAt, perRow, scale] = [6, Math.ceil(n / 32), 1.5]
  const bits = Uint32Array.from({ length: bitsAt + rows * perRow }, () => Math.floor(random.next() * 2 ** 32))
  const kept = (i: number) => {
    const j = i % n
    return !DROP ? 1 : (bits[bitsAt + Math.floor(i / n) * perRow + (j >> 5)] >>> (j & 31)) & 1 ? scale : 0
  }
  return { words: [bitsAt, perRow, f32(scale)], bits: DROP ? [bits] : [], kept }
}

function layernormForward(constants: Constants, random: Random): Case {
  const { rows, cells, n } = shape(constants)
  const eps = Math.fround(1e-5)
  const { words, bits, kept } = dropping(constants, random, rows, n)
  const [x, gamma, beta, added] = [uniform(random, rows * n, 3, 6), uniform(random, n), uniform(random, n), uniform(random, rows * n)]
  const from = table(rows * n, (i) => (constants.ADD ? x[i] + kept(i) * added[i] : x[i]))
  const values = new Float64Array(rows * n)
  const stats = new Float64Array(statsAt + 2 * rows).fill(NaN)
  for (let row = 0; row < rows; row++) {
    const mu = sum(n, (j) => from[row * n + j]) / n
    const rho = 1 / Math.sqrt(sum(n, (j) => (from[row * n + j] - mu) ** 2) / n + eps)
    stats.set([mu, rho], statsAt + 2 * row)
    for (let j = 0; j < n; j++) values[row * n + j] = gamma[j] * (from[row * n + j] - mu) * rho + beta[j]
  }
  const slots = [written(values), written(stats, new Float32Array(stats.length).fill(3)), ...[x, gamma, beta].map(read)]
  if (constants.ADD) slots.push(written(from, added), ...bits.map(read))
  return { words: [rows, cells, f32(eps), statsAt, ...words], groups: 9, slots }
}

function layernormBackward(constants: Constants, random: Random): Case {
  const { rows, cells, n } = shape(constants)
  const { words, bits, kept } = dropping(constants, random, rows, n)
  const [x, dy, gamma] = [uniform(random, rows * n), uniform(random, rows * n), uniform(random, n)]
  // μ and ρ are inputs here: any will do.
  const stats = uniform(random, statsAt + 2 * rows, 0.5, 1)
  const [mu, rho] = [(row: number) => stats[statsAt + 2 * row], (row: number) => stats[statsAt + 2 * row + 1]]
  const hat = (row: number, j: number) => (x[row * n + j] - mu(row)) * rho(row)
  const values = new Float64Array(rows * n)
  for (let row = 0; row < rows; row++) {
    const h = table(n, (j) => gamma[j] * dy[row * n + j])
    const [c0, c1] = [sum(n, (j) => h[j]) / n, sum(n, (j) => h[j] * hat(row, j)) / n]
    for (let j = 0; j < n; j++)
      values[row * n + j] = constants.FORM === 1 ? rho(row) * (h[j] - c0 - hat(row, j) * c1) : dy[row * n + j] * hat(row, j)
  }
  const inputs = constants.FORM === 1 ? [stats, x, gamma, dy] : [stats, x, dy]
  const slots = [written(values), ...inputs.map(read)]
  if (constants.DROP) slots.push(written(table(rows * n, (i) => kept(i) * values[i])), ...bits.map(read))
  return { words: [rows, cells, f32(0), statsAt, ...words], groups: 9, slots }
}

const ignored = -100

export const crossEntropy: Check = {
  forms: combinations(
    [0, 1, 2].map((FORM) => ({ constants: { FORM } })),
    [true, false].map((MEAN) => ({ constants: { MEAN } })),
  ),
  cases(constants, random) {
    const [rows, c, smoothing] = [8 * 64 + 3, 5, Math.fround(0.1)]
    const words = [rows, c, f32(smoothing), ignored >>> 0]
    const labels = Int32Array.from({ length: rows }, (_, i) => (i % 6 === 4 ? ignored : random.below(c)))
    if (constants.FORM === 1)
      return [labels, new Int32Array(rows).fill(ignored)].map((some) => counted(words, some, constants.MEAN !== false))
    const z = uniform(random, rows * c, -9, 9)
    const [scale, dy] = [0.25, 1.5]
    const [loss, dz] = [new Float64Array(rows), new Float64Array(rows * c)]
    for (let row = 0; row < rows; row++) {
      if (labels[row] === ignored) continue
      const all = sum(c, (j) => Math.exp(z[row * c + j]))
      const target = (j: number) => (j === labels[row] ? 1 - smoothing : 0) + smoothing / c
      loss[row] = Math.log(all) - sum(c, (j) => target(j) * z[row * c + j])
      for (let j = 0; j < c; j++) dz[row * c + j] = dy * scale * (Math.exp(z[row * c + j]) / all - target(j))
    }
    const more = constants.FORM === 2 ? [Float32Array.of(scale), Float32Array.of(dy)] : []
    return [{ words, groups: 9, slots: [written(constants.FORM === 2 ? dz : loss), ...[labels, z, ...more].map(read)] }]
  },
}

function counted(words: Case['words'], labels: Int32Array, mean: boolean): Case {
  const count = labels.filter((label) => label !== ignored).length
  return { words, groups: 1, slots: [written([mean ? (count ? 1 / count : 0) : 1]), read(labels)] }
}

export const rowNorm: Check = {
  forms: orHalf([{}], 'TW'),
  cases(_, random) {
    const [rows, inputs, r, s, wAt, bAt, outAt] = [9, 131, 5, 0.75, 3, 7, 2]
    const [w, a, b] = [wAt + rows * inputs, r * inputs, bAt + rows * r].map((count) => uniform(random, count))
    const values = table(outAt + rows, (i) => (i < outAt ? NaN : 0))
    for (let i = 0; i < rows; i++) {
      let sum = 0
      for (let j = 0; j < inputs; j++) {
        let delta = 0
        for (let k = 0; k < r; k++) delta += b[bAt + i * r + k] * a[k * inputs + j]
        sum += (w[wAt + i * inputs + j] + s * delta) ** 2
      }
      values[outAt + i] = 1 / Math.sqrt(sum)
    }
    const before = new Float32Array(values.length).fill(3)
    return [{ words: [inputs, r, f32(s), wAt, bAt, outAt], groups: rows, slots: [written(values, before), read(w), read(a), read(b)] }]
  },
}
