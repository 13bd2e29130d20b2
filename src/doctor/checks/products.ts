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
  type Slot,
  uniform,
  type Word,
  written,
} from '../check'
import { gelu as exactGelu, geluSlope, geluTanh, geluTanhSlope } from '../special'

/** A product of batch0 × batch1 pairs; strides and offsets in numbers, all of them larger than they would have to be. */
interface Shape {
  m: number
  n: number
  k: number
  /** Stored the other way round. */
  ta: boolean
  tb: boolean
  tc?: boolean
  /** What the kernel reads A and B by: offsets and strides are multiples of it. */
  unit: number
  /** The same for C and the bias. */
  cell: number
  /** 1: a bias, 2: add to C. */
  epilogue: number
  single?: boolean
  /** C leaves its gelu apart, or is multiplied by the slope of what lies there. */
  gelu?: 'gelu' | 'slope'
}

interface Layout {
  off: number
  row: number
  b0: number
  b1: number
  size: number
}

const batches = (s: Shape) => (s.single ? [1, 1] : [2, 3])

function layout(rows: number, columns: number, unit: number, [batch0, batch1]: number[]): Layout {
  const row = Math.ceil(columns / unit) * unit + unit
  const [b1, b0] = [rows * row + unit, batch1 * (rows * row + unit) + 2 * unit]
  return { off: 3 * unit, row, b0, b1, size: 3 * unit + batch0 * b0 }
}

function build(s: Shape, random: Random) {
  const counts = batches(s)
  const a = layout(s.ta ? s.k : s.m, s.ta ? s.m : s.k, s.unit, counts)
  const b = layout(s.tb ? s.n : s.k, s.tb ? s.k : s.n, s.unit, counts)
  const c = layout(s.tc ? s.n : s.m, s.tc ? s.m : s.n, s.cell, counts)
  const [dataA, dataB, before] = [a, b, c].map(({ size }) => uniform(random, size))
  const biasOff = 2 * s.cell
  const bias = uniform(random, biasOff + counts[0] * Math.ceil(s.n / s.cell) * s.cell)
  const alpha = 0.75
  const values = new Float64Array(c.size).fill(NaN)
  const place = (l: Layout, i: number, j: number, row: number, column: number, turned: boolean) =>
    l.off + i * l.b0 + j * l.b1 + (turned ? column * l.row + row : row * l.row + column)
  for (let i = 0; i < counts[0]; i++)
    for (let j = 0; j < counts[1]; j++)
      for (let row = 0; row < s.m; row++)
        for (let column = 0; column < s.n; column++) {
          const at = place(c, i, j, row, column, s.tc === true)
          let sum = 0
          for (let q = 0; q < s.k; q++) sum += dataA[place(a, i, j, row, q, s.ta)] * dataB[place(b, i, j, q, column, s.tb)]
          values[at] = alpha * sum + (s.epilogue & 1 ? bias[biasOff + i * s.n + column] : 0) + (s.epilogue & 2 ? before[at] : 0)
        }
  const more = s.gelu ? [activated(s, values, c, random)] : []
  const slots = [written(values, before), ...[dataA, dataB, bias].map(read), ...more]
  return { a, b, c, biasOff, alpha, slots, batch1: counts[1], count: counts[0] * counts[1] }
}

/** z, where C leaves its gelu; or what C is multiplied by the slope of. Exact and by tanh in turn. */
function activated({ epilogue, gelu }: Shape, values: Float64Array, { off }: Layout, random: Random): Slot {
  const [f, slope] = epilogue & 4 ? [geluTanh, geluTanhSlope] : [exactGelu, geluSlope]
  const z = uniform(random, values.length - off)
  if (gelu === 'gelu') return written(values.slice(off).map(f), z)
  z.forEach((x, i) => {
    values[off + i] *= slope(x)
  })
  // It must stay as it is.
  return written(new Float64Array(z.length).fill(NaN), z)
}

/** Each of the four epilogues for a shape. */
export const epilogues = (shape: (epilogue: number) => Shape) => [0, 1, 2, 3].map(shape)

/** Any strides, number by number: words of matmul.wgsl and matmul_plain.wgsl. */
function anyStrides(s: Shape, random: Random, [rows, columns]: number[], perGroup: number, withTiles: boolean): Case {
  const { a, b, c, biasOff, alpha, slots, batch1, count } = build(s, random)
  const strides = (l: Layout, turned: boolean) => [l.off, ...(turned ? [1, l.row] : [l.row, 1]), l.b0, l.b1]
  const tiles = Math.ceil(s.m / rows) * Math.ceil(s.n / columns) * count
  const words: Word[] = [s.m, s.n, s.k, ...strides(a, s.ta), ...strides(b, s.tb), c.off, c.row, c.b0, c.b1]
  words.push(batch1, f32(alpha), biasOff, s.epilogue, ...(withTiles ? [tiles] : []))
  return { words, groups: Math.ceil(tiles / perGroup), slots }
}

/** Each form also with A, B and C in half floats; a run's start checks what the run mixes. */
const orHalves = (forms: Form[]): Form[] => [
  ...forms,
  ...forms.map((form) => {
    const more: Constants = form.constants?.GELU ? { TZ: 'f16' } : {}
    return { ...form, constants: { ...form.constants, TA: 'f16', TB: 'f16', TC: 'f16', ...more } }
  }),
]

/** All four ways to store A and B, one with each epilogue; the larger of the sizes spans several tiles. */
const odd: Shape[] = epilogues((epilogue) => {
  const [ta, tb] = [epilogue > 1, epilogue % 2 === 1]
  const large = epilogue === 1
  const size = large ? { m: 37, n: 35, k: 19 } : { m: 13, n: 11, k: 21 }
  return { ...size, ta, tb, unit: 1, cell: 1, epilogue, single: large }
})

/** Both forms of gelu and their slopes, for the shapes above. */
const bent = [
  { gelu: 'gelu', epilogue: 1 },
  { gelu: 'gelu', epilogue: 2 + 4 },
  { gelu: 'slope', epilogue: 8 },
  { gelu: 'slope', epilogue: 3 + 4 + 8 },
] as const

export const matmul: Check = {
  forms: orHalves([8, 32, 16, 4, 2].map((DOWN) => ({ constants: { DOWN }, on: 'gpus' }))),
  cases(constants, random) {
    const rows = 4 * numeric(constants, 'DOWN', 8)
    const tile = [rows, 1024 / rows]
    // The large one has two tiles by two.
    return odd.map((s) => anyStrides(s.single ? { ...s, m: rows + 5, n: tile[1] + 3 } : s, random, tile, 1, false))
  },
}

const sided = (SIDE: number, known: Constants): Constants => ({ SIDE, THREADS: SIDE * SIDE, LOADS: 16 / SIDE, ...known })

export const matmulBlocks: Check = {
  forms: orHalves(
    combinations(
      [8, 16].flatMap((SIDE) =>
        ([{}, { K: 20, N: 8 * SIDE + 12 }] as Constants[]).map((known) => ({ constants: sided(SIDE, known), on: 'gpus' as const })),
      ),
      [{}, { constants: { HALVES: 2 } }],
      [{}, { constants: { GELU: true } }],
    ),
  ),
  cases(constants, random) {
    const size = 8 * numeric(constants, 'SIDE', 8)
    const shapes = odd.map((s, i) => ({ ...s, unit: 4, ...(constants.GELU && bent[i]) }))
    const [K, N] = ['K', 'N'].map((name) => numeric(constants, name, 0))
    if (K) return baked(shapes, K, N, random, size)
    return shapes.map((s): Case => {
      // Either side in whole vec4s of what it runs along; one shape has two tiles by two.
      const [m, n, k] = [s.m + (s.single ? size : 0), s.n + (s.single ? size : 0), s.k].map((v) => Math.ceil(v / 4) * 4)
      const shape = { ...s, m: s.ta ? m : m - 1, n: s.tb ? n - 1 : n, k: s.ta && !s.tb ? k - 1 : k }
      const { words, ...others } = vectors(shape, random, size, size, 1)
      return { ...others, words: [...words.slice(0, -1), (s.ta ? 1 : 0) + (s.tb ? 0 : 2)] }
    })
  },
}

/** Products whose k and n the kernel knows. Those of a model are large, and the processor computes them too: one, of few rows. */
const baked = (shapes: Shape[], k: number, n: number, random: Random, size: number) =>
  shapes.map((s): Case => {
    const large = k * n > 1e5
    const shape = { ...s, m: large ? 5 : size + 13, n, k, ta: false, single: large || s.single }
    const { words, ...others } = vectors(shape, random, size, size, 1)
    return { ...others, words: [...words.slice(0, -1), s.tb ? 0 : 2] }
  })

/** Sums of parts that lie in slots, as a product would leave them; `single`: one batch of more numbers than a group has threads. */
export const matmulSum: Check = {
  forms: orHalf([{}], 'TC'),
  cases: (_, random) =>
    epilogues((epilogue) => ({ m: epilogue === 1 ? 9 : 5, n: 11, k: 3, ta: false, tb: false, unit: 1, cell: 1, epilogue })).map(
      (s): Case => {
        const single = s.epilogue === 1
        const counts = single ? [1, 1] : [2, 3]
        const c = layout(s.m, s.n, 1, counts)
        const count = counts[0] * counts[1] * s.m * s.n
        const [sums, before, bias] = [s.k * count, c.size, counts[0] * s.n + 2].map((size) => uniform(random, size))
        const values = new Float64Array(c.size).fill(NaN)
        for (let i = 0; i < count; i++) {
          const [column, row, batch] = [i % s.n, Math.floor(i / s.n) % s.m, Math.floor(i / (s.m * s.n))]
          const at = c.off + Math.floor(batch / counts[1]) * c.b0 + (batch % counts[1]) * c.b1 + row * c.row + column
          const sum = 0.75 * Array.from({ length: s.k }, (_, slot) => sums[slot * count + i]).reduce((a, b) => a + b)
          values[at] =
            sum + (s.epilogue & 1 ? bias[2 + Math.floor(batch / counts[1]) * s.n + column] : 0) + (s.epilogue & 2 ? before[at] : 0)
        }
        return {
          words: [s.m, s.n, s.k, count, c.off, c.row, c.b0, c.b1, counts[1], f32(0.75), 2, s.epilogue],
          groups: Math.ceil(count / 64),
          slots: [written(values, before), read(sums), read(bias)],
        }
      },
    ),
}

export const matmulPlain: Check = {
  forms: orHalves([{}]),
  cases: (_, random) => odd.map((s) => anyStrides(s, random, [4, 4], 8, true)),
}

/** FORM 0: A·B, 1: A·Bᵀ, 2: Aᵀ·B. */
export const turned = (form: number) => ({ ta: form === 2, tb: form === 1 })

/** Offsets and strides in vec4s: words of matmul_direct.wgsl and matmul_lanes.wgsl. */
export function vectors(s: Shape, random: Random, rows: number, columns: number, perGroup: number): Case {
  const { a, b, c, biasOff, alpha, slots, batch1, count } = build(s, random)
  const strides = (l: Layout, unit: number) => [l.off, l.row, l.b0, l.b1].map((v) => v / unit)
  const tiles = Math.ceil(s.m / rows) * Math.ceil(s.n / columns) * count
  const out = s.tc ? [c.off, 1, c.b0, c.b1] : strides(c, s.cell)
  const words = [s.m, s.n, s.k, ...strides(a, 4), ...strides(b, 4), ...out]
  const more = [batch1, f32(alpha), biasOff / s.cell, s.epilogue, tiles, ...(s.tc === undefined ? [] : [s.tc ? c.row : 1])]
  return { words: [...words, ...more], groups: Math.ceil(tiles / perGroup), slots }
}

export const matmulDirect: Check = {
  forms: orHalves(
    [0, 1, 2].map((FORM) => {
      const COLS = FORM ? 8 : 4
      return { constants: { FORM, ROWS: 8, COLS, QUADS: COLS / 4, HALF: 2 } }
    }),
  ),
  cases(constants, random) {
    const form = numeric(constants, 'FORM', 0)
    const size = [
      { m: 13, n: 20, k: 8 },
      { m: 21, n: 19, k: 12 },
      { m: 28, n: 20, k: 7 },
    ][form]
    const shapes = epilogues((epilogue) => ({ ...size, ...turned(form), unit: 4, cell: 1, epilogue }))
    return shapes.map((s) => vectors(s, random, numeric(constants, 'ROWS', 4), numeric(constants, 'COLS', 4), 8))
  },
}

function lanesForm(FORM: number, ROWS: number, LANES: number, WIDE: boolean): Form {
  const [PARTS, SHARE, QUADS] = [8 / LANES, ROWS / LANES, ROWS / 4]
  return { constants: { FORM, ROWS, LANES, PARTS, SHARE, QUADS, WIDE, Out: WIDE ? 'vec4f' : 'f32' }, on: 'processors', subgroups: LANES }
}

export const matmulLanes: Check = {
  forms: orHalves(
    [4, 8].flatMap((lanes) =>
      [8, 16].flatMap((rows) => [
        ...[0, 1, 2].map((form) => lanesForm(form, rows, lanes, true)),
        ...[1, 2].map((form) => lanesForm(form, rows, lanes, false)),
      ]),
    ),
  ),
  cases(constants, random) {
    const [form, rows, lanes] = ['FORM', 'ROWS', 'LANES'].map((name) => numeric(constants, name, 0))
    // Two tiles by two, the last of each not full. Without WIDE C lies transposed.
    const n = 32 + (form === 1 && !constants.WIDE ? 3 : 4)
    const size = { m: form === 2 ? rows + 4 : rows + 5, n, k: form === 2 ? 7 : 8 }
    const cell = constants.WIDE ? 4 : 1
    const shapes = epilogues((epilogue) => ({ ...size, ...turned(form), unit: 4, cell, epilogue, tc: !constants.WIDE }))
    return shapes.map((s) => vectors(s, random, rows, 32, 16 / lanes))
  },
}

export const matmulThin: Check = {
  forms: orHalves(
    [4, 8].flatMap((LANES) =>
      [0, 1].flatMap((FORM) => [1, 2, 4].map((QUADS): Form => ({ constants: { FORM, QUADS, LANES }, on: 'processors', subgroups: LANES }))),
    ),
  ),
  cases(constants, random) {
    const [form, quads, lanes] = ['FORM', 'QUADS', 'LANES'].map((name) => numeric(constants, name, 0))
    // Two tiles by two, the last of each not full.
    return [0, 2].map((epilogue) => {
      const shape = { m: 69, n: 4 * lanes + 4, k: 4 * quads, ...turned(form), unit: 4, cell: 4, epilogue }
      const { words, ...others } = vectors(shape, random, 64, 4 * lanes, 16 / lanes)
      return { ...others, slots: others.slots.slice(0, 3), words: [...words.slice(0, -3), epilogue, ...words.slice(-1)] }
    })
  },
}
