import tiled from '../../shaders/matmul.wgsl'
import direct from '../../shaders/matmul_direct.wgsl'
import { f32, GpuError, type Word } from '../gpu'
import type { Tensor } from '../graph'

/** A matrix inside a tensor, for each of batch0 × batch1 batches. Strides and `offset` are in elements. */
export interface Matrix {
  tensor: Tensor
  offset?: number
  rowStride: number
  /** The rows in memory run along the second index: A is stored [k, m], B is stored [n, k]. */
  transposed?: boolean
  stride0?: number
  stride1?: number
}

export interface Gemm {
  op: string
  a: Matrix
  b: Matrix
  c: Matrix
  m: number
  n: number
  k: number
  batch0?: number
  batch1?: number
  alpha?: number
  bias?: Tensor | null
  /** Add to what C holds. */
  accumulate?: boolean
}

type Part = Required<Omit<Gemm, 'bias'>> & { bias: Tensor | null }

interface Operand {
  matrix: Matrix
  rows: 'm' | 'n' | 'k'
  rowCount: number
  columns: number
}

/**
 * C = alpha · A·B (+ bias) (+ C), batched, with any operand transposed in memory. Chooses the kernel; what exceeds a
 * binding is cut into parts along batches, rows, or k (then summed in order).
 */
export function gemm(g: Gemm): void {
  const part: Part = { batch0: 1, batch1: 1, alpha: 1, accumulate: false, bias: null, ...g }
  split(part)
}

function operands(g: Part): Operand[] {
  return [
    { matrix: g.a, rows: g.a.transposed ? 'k' : 'm', rowCount: g.a.transposed ? g.k : g.m, columns: g.a.transposed ? g.m : g.k },
    { matrix: g.b, rows: g.b.transposed ? 'n' : 'k', rowCount: g.b.transposed ? g.n : g.k, columns: g.b.transposed ? g.k : g.n },
    { matrix: g.c, rows: 'm', rowCount: g.m, columns: g.n },
  ]
}

/** First element and number of elements that the operand touches. */
function extent(g: Part, { matrix, rowCount, columns }: Operand): { first: number; count: number } {
  const { offset = 0, rowStride, stride0 = 0, stride1 = 0 } = matrix
  return { first: offset, count: (g.batch0 - 1) * stride0 + (g.batch1 - 1) * stride1 + (rowCount - 1) * rowStride + columns }
}

function split(g: Part): void {
  if (g.m === 0 || g.n === 0 || g.batch0 * g.batch1 === 0) return
  if (g.k === 0) throw new GpuError(`${g.op}: nothing to sum over: the inner dimension is 0`)
  const { maxStorageBufferBindingSize: max, minStorageBufferOffsetAlignment: align } = g.c.tensor.device.limits
  const tooLarge = operands(g).find((o) => extent(g, o).count * 4 + align > max)
  if (!tooLarge) return launch(g)
  if (g.batch0 > 1) return halve(g, 'batch0')
  if (g.batch1 > 1 && !isInterleaved(g)) return halve(g, 'batch1')
  if (tooLarge.rowCount > 1) return halve(g, tooLarge.rows)
  if (g.batch1 > 1) return halve(g, 'batch1')
  throw new GpuError(`${g.op}: one row of ${tooLarge.columns} numbers exceeds this device's binding of ${max} bytes`)
}

// Heads lie side by side in each row: taking fewer of them does not make the range shorter.
const isInterleaved = (g: Part) => [g.a, g.b, g.c].some((x) => (x.stride1 ?? 0) > 0 && (x.stride1 ?? 0) < x.rowStride)

function halve(g: Part, along: 'm' | 'n' | 'k' | 'batch0' | 'batch1'): void {
  const size = g[along]
  const first = size > 8 ? Math.ceil(size / 8) * 4 : Math.ceil(size / 2)
  const move = (x: Matrix, stride: number): Matrix => ({ ...x, offset: (x.offset ?? 0) + first * stride })
  const rest: Part = { ...g, [along]: size - first }
  if (along === 'batch0' || along === 'batch1') {
    const key = along === 'batch0' ? 'stride0' : 'stride1'
    for (const name of ['a', 'b', 'c'] as const) rest[name] = move(g[name], g[name][key] ?? 0)
  } else if (along === 'm') {
    rest.a = move(g.a, g.a.transposed ? 1 : g.a.rowStride)
    rest.c = move(g.c, g.c.rowStride)
  } else if (along === 'n') {
    rest.b = move(g.b, g.b.transposed ? g.b.rowStride : 1)
    rest.c = move(g.c, 1)
    if (g.bias) rest.bias = g.bias.view([g.n - first], first)
  } else {
    rest.a = move(g.a, g.a.transposed ? g.a.rowStride : 1)
    rest.b = move(g.b, g.b.transposed ? 1 : g.b.rowStride)
    rest.accumulate = true
    rest.bias = null
  }
  split({ ...g, [along]: first })
  split(rest)
}

function launch(g: Part): void {
  const { device } = g.c.tensor
  const bound = operands(g).map((o) => {
    const { first, count } = extent(g, o)
    return o.matrix.tensor.bindLoose(first, count)
  })
  const [a, b, c] = bound
  const bias = g.bias?.bindLoose(0, g.n)
  const use = { a: a.skip, b: b.skip, c: c.skip, bias: bias?.skip ?? 0 }
  const flags = { BIAS: Boolean(bias), ACCUMULATE: g.accumulate }
  const bind = [c.binding, a.binding, b.binding, ...(bias ? [bias.binding] : [])]
  const batches = g.batch0 * g.batch1
  const flops = 2 * g.m * g.n * g.k * batches
  const form = device.software ? directForm(g, use) : null
  if (!form) {
    const groups = Math.ceil(g.m / 32) * Math.ceil(g.n / 32) * batches
    device.run({ op: g.op, shader: tiled, constants: flags, bind, words: tiledWords(g, use), groups, flops })
    return
  }
  const tiles = Math.ceil(g.m / form.rows) * Math.ceil(g.n / form.cols) * batches
  const size = tiles >= 64 ? 16 : 4
  const constants = {
    ...flags,
    FORM: form.form,
    ROWS: form.rows,
    COLS: form.cols,
    QUADS: form.cols / 4,
    HALF: form.rows / 4,
    GROUP: size,
  }
  // A vec4 binding is read in whole vec4s.
  for (const binding of bind.slice(1, 3)) binding.size = Math.ceil(binding.size / 16) * 16
  device.run({ op: g.op, shader: direct, constants, bind, words: directWords(g, use, tiles), groups: Math.ceil(tiles / size), flops })
}

interface Skips {
  a: number
  b: number
  c: number
  bias: number
}

/** Strides of the direct kernel for this product, or null where something is no multiple of 4. */
function directForm(g: Part, skip: Skips): { form: number; rows: number; cols: number } | null {
  const whole = (x: Matrix, first: number) => [first, x.rowStride, x.stride0 ?? 0, x.stride1 ?? 0].every((v) => v % 4 === 0)
  if (!whole(g.a, skip.a) || !whole(g.b, skip.b)) return null
  if (g.a.transposed && g.b.transposed) return null
  if (g.b.transposed) return g.k % 4 ? null : { form: 1, rows: 8, cols: 8 }
  if (g.n % 4) return null
  if (g.a.transposed) return g.m % 4 ? null : { form: 2, rows: 8, cols: 8 }
  return g.k % 4 ? null : { form: 0, rows: 8, cols: 4 }
}

function tiledWords(g: Part, skip: Skips): Word[] {
  const { a, b, c } = g
  return [
    g.m,
    g.n,
    g.k,
    skip.a,
    a.transposed ? 1 : a.rowStride,
    a.transposed ? a.rowStride : 1,
    a.stride0 ?? 0,
    a.stride1 ?? 0,
    skip.b,
    b.transposed ? 1 : b.rowStride,
    b.transposed ? b.rowStride : 1,
    b.stride0 ?? 0,
    b.stride1 ?? 0,
    skip.c,
    c.rowStride,
    c.stride0 ?? 0,
    c.stride1 ?? 0,
    g.batch1,
    f32(g.alpha),
    skip.bias,
  ]
}

function directWords(g: Part, skip: Skips, tiles: number): Word[] {
  const { a, b, c } = g
  return [
    g.m,
    g.n,
    g.k,
    skip.a / 4,
    a.rowStride / 4,
    (a.stride0 ?? 0) / 4,
    (a.stride1 ?? 0) / 4,
    skip.b / 4,
    b.rowStride / 4,
    (b.stride0 ?? 0) / 4,
    (b.stride1 ?? 0) / 4,
    skip.c,
    c.rowStride,
    c.stride0 ?? 0,
    c.stride1 ?? 0,
    g.batch1,
    f32(g.alpha),
    skip.bias,
    tiles,
  ]
}
