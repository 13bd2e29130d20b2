import tiled from '../../shaders/matmul.wgsl'
import { type Binding, type Device, f32, type Word } from '../gpu'
import { halves } from '../graph'
import { geluFlops } from './activation'
import { type After, extent, type Matrix, type Operand, operands, type Part } from './gemm_operands'

// Kernels that some devices never take are pieces of their own: a page loads what it computes with.
const blocks = () => import('../../shaders/matmul_blocks.wgsl')
const direct = () => import('../../shaders/matmul_direct.wgsl')
const lanesShader = () => import('../../shaders/matmul_lanes.wgsl')
const thin = () => import('../../shaders/matmul_thin.wgsl')
const plain = () => import('../../shaders/matmul_plain.wgsl')

/** A product that fits its bindings: where each operand begins in its binding, and what all kernels take. */
export interface Job extends Part {
  skip: { a: number; b: number; c: number; bias: number }
  bind: Binding[]
  /** 1: add the bias, 2: add what C holds. */
  epilogue: number
  batches: number
  flops: number
  bytes: number
}

/** The name of a way to compute a product, e.g. `blocks-16` or `split-4×tiled`; `variants` lists those that can. */
export type Variant = string

/** Names the variant of a product; undefined: the usual one. */
export type Chooser = (job: Job) => Variant | undefined

let chooser: Chooser | null = null

/** Products that `body` dispatches take the variants that `choose` names. */
export function choosing<T>(choose: Chooser | null, body: () => T): T {
  const outer = chooser
  chooser = choose
  try {
    return body()
  } finally {
    chooser = outer
  }
}

/** Dispatches a product by the variant that was chosen for it, else by the one that suits device and shapes. */
export function launch(g: Part): void {
  const job = jobOf(g)
  runVariant(job, chooser?.(job) ?? usual(job))
}

/**
 * On GPUs `matmul_blocks.wgsl` where C has tiles enough and what is read is in whole vec4s, else `matmul.wgsl`, by narrow tiles where C
 * is narrow and has enough of them; on software adapters `matmul_plain.wgsl` for what is no multiple of 4, where the threads of a
 * subgroup can share their loads `matmul_thin.wgsl` (few k) or `matmul_lanes.wgsl`, else `matmul_direct.wgsl`. Where a kernel that is
 * loaded later wants the product, that one.
 */
export function usual(job: Job): Variant {
  for (const { usual } of extras) {
    const variant = usual(job)
    if (variant) return variant
  }
  const form = vectorForm(job)
  if (job.c.tensor.device.software) {
    if (form === null) return 'plain'
    return isThin(job, form) ? 'thin' : (usualLanes(job, form) ?? directName(form))
  }
  const side = form === null ? 0 : sideOf(job)
  if (side) return `blocks-${side}`
  const [narrow = 'tiled'] = Math.max(job.m, job.n) * job.batches >= enough * 128 ? narrowTiles(job) : []
  return narrow
}

/** What kernels that are loaded later add to the choice: what they can do of a product, and what they take unasked. */
export const extras: { all: (job: Job) => Variant[]; usual: (job: Job) => Variant | undefined }[] = []

/** Dispatches a product by a variant that can do it. */
export function runVariant(job: Job, variant: Variant): void {
  const [kernel, size, turned] = variant.split('-')
  kernels[kernel](job.c.tensor.device, job, Number.parseInt(size, 10), turned !== undefined, variant)
  if (job.after && !fusing.includes(kernel)) job.after.pass()
}

/** Those by `matmul_blocks.wgsl`. */
const fusing = ['blocks', 'ahead', 'baked']

export function jobOf(g: Part): Job {
  const [a, b, c] = operands(g).map((o) => {
    const { first, count } = extent(g, o)
    return o.matrix.tensor.bindLoose(first, count)
  })
  const bias = g.bias?.bindLoose(0, g.batch0 * g.n)
  const batches = g.batch0 * g.batch1
  return {
    ...g,
    skip: { a: a.skip, b: b.skip, c: c.skip, bias: bias?.skip ?? 0 },
    // Kernels always have a binding for the bias: one text for all epilogues, fewer pipelines.
    bind: [c.binding, a.binding, b.binding, bias?.binding ?? { ...a.binding, size: 16 }],
    epilogue: (bias ? 1 : 0) + (g.accumulate ? 2 : 0),
    batches,
    flops: 2 * g.m * g.n * g.k * batches,
    bytes: operands(g).reduce((sum, o) => sum + bytesOf(g, o), 0),
  }
}

/** The numbers of an operand alone: other matrices may lie between those of a batch, and a matrix may serve several. */
const bytesOf = ({ batch0, batch1 }: Part, { matrix, rowCount, columns }: Operand) =>
  matrix.tensor.width * rowCount * columns * (matrix.stride0 ? batch0 : 1) * (matrix.stride1 ? batch1 : 1)

/** Constants for the operands that are half floats. */
export const typesOf = ({ a, b, c }: Pick<Job, 'a' | 'b' | 'c'>) => halves({ TA: a.tensor, TB: b.tensor, TC: c.tensor })

const whole = (x: Matrix, first: number) => [first, x.rowStride, x.stride0 ?? 0, x.stride1 ?? 0].every((v) => v % 4 === 0)

/** FORM of the kernels that read vec4s, or null where something is no multiple of 4 or both sides are transposed. */
export function vectorForm({ a, b, m, n, k, skip }: Job): number | null {
  if (!whole(a, skip.a) || !whole(b, skip.b)) return null
  if (b.transposed) return a.transposed || k % 4 ? null : 1
  if (n % 4) return null
  return a.transposed ? (m % 4 ? null : 2) : k % 4 ? null : 0
}

/** Tiles that keep a GPU busy. */
const enough = 192

/** Tiles of `matmul.wgsl` for C of up to 16 rows or columns where one of 32 × 32 is not all of it, e.g. `tiled-128x8`; narrowest first. */
export function narrowTiles({ m, n }: Pick<Job, 'm' | 'n'>): Variant[] {
  const [few, many] = m < n ? [m, n] : [n, m]
  const fit = many > 32 ? [8, 16].filter((side) => few <= side) : []
  return fit.map((side) => `tiled-${m < n ? `${side}x${1024 / side}` : `${1024 / side}x${side}`}`)
}

/** Threads a side of a group, each with 8 × 8 numbers of C, where C has tiles enough for a GPU and fills most of them; else 0. */
function sideOf({ m, n, batches }: Job): number {
  const fits = (side: number) => {
    const size = 8 * side
    return m >= 0.75 * size && n >= 0.75 * size && Math.ceil(m / size) * Math.ceil(n / size) * batches >= enough
  }
  return [16, 8].find(fits) ?? 0
}

/** A group a tile. `more`: other constants of the kernel. */
export function runBlocks(device: Device, job: Job, side: number, more: { K?: number; N?: number; HALVES?: number } = {}): void {
  const { op, m, n, a, b, batches, after, epilogue } = job
  const constants = { SIDE: side, THREADS: side * side, LOADS: 16 / side, ...more, ...typesOf(job), ...geluOf(after) }
  const groups = Math.ceil(m / (8 * side)) * Math.ceil(n / (8 * side)) * batches
  // The last word: bits ALONG_M, ALONG_N.
  const last = (a.transposed ? 1 : 0) + (b.transposed ? 0 : 2)
  const words = vectorWords({ ...job, epilogue: epilogue + (after?.form === 'geluTanh' ? 4 : 0) + (after?.slope ? 8 : 0) }, last, 1)
  const bind = [...inVectors(job.bind), ...(after ? [after.z.bind()] : [])]
  const [flops, bytes] = after ? [job.flops + geluFlops * m * n, job.bytes + after.z.width * m * n] : [job.flops, job.bytes]
  device.run({ op, shader: blocks, constants, bind, words, groups, flops, bytes })
}

const geluOf = (after: After | null) => (after ? { GELU: true, ...halves({ TZ: after.z }) } : {})

/** A group a tile, of 1024 numbers. */
function runTiled(device: Device, job: Job, rows: number): void {
  const { op, m, n, batches, bind, flops, bytes } = job
  const groups = Math.ceil(m / rows) * Math.ceil((n * rows) / 1024) * batches
  device.run({ op, shader: tiled, constants: { DOWN: rows / 4, ...typesOf(job) }, bind, words: words(job), groups, flops, bytes })
}

/** One tile a thread. */
function runPlain(device: Device, job: Job): void {
  const { op, m, n, batches, bind, flops, bytes } = job
  const tiles = Math.ceil(m / 4) * Math.ceil(n / 4) * batches
  const groups = Math.ceil(tiles / 8)
  device.run({ op, shader: plain, constants: typesOf(job), bind, words: [...words(job), tiles], groups, flops, bytes })
}

/** Strides in numbers, of rows and of columns. */
function words({ a, b, c, m, n, k, skip, batch1, alpha, epilogue }: Job): Word[] {
  const strides = (x: Matrix) => [...(x.transposed ? [1, x.rowStride] : [x.rowStride, 1]), x.stride0 ?? 0, x.stride1 ?? 0]
  const out = [skip.c, c.rowStride, c.stride0 ?? 0, c.stride1 ?? 0]
  return [m, n, k, skip.a, ...strides(a), skip.b, ...strides(b), ...out, batch1, f32(alpha), skip.bias, epilogue]
}

/** One tile a thread. */
function runDirect(device: Device, job: Job, rows: number): void {
  const form = vectorForm(job) as number
  const cols = form === 0 ? 4 : 8
  const tiles = Math.ceil(job.m / rows) * Math.ceil(job.n / cols) * job.batches
  const { op, bind, flops, bytes } = job
  const constants = { FORM: form, ROWS: rows, COLS: cols, QUADS: cols / 4, HALF: rows / 4, ...typesOf(job) }
  const words = vectorWords(job, tiles, 1)
  device.run({ op, shader: direct, constants, bind: inVectors(bind), words, groups: Math.ceil(tiles / 8), flops, bytes })
}

/** How many neighbouring threads are a subgroup, where that is 4 or 8 (there a broadcast is a shuffle of registers); else 0. */
export function lanesOf({ features, gpu }: Device): number {
  const { subgroupMinSize: lanes = 0, subgroupMaxSize } = gpu.adapterInfo ?? {}
  return features.has('subgroups') && lanes === subgroupMaxSize && (lanes === 4 || lanes === 8) ? lanes : 0
}

/** Whether C and bias can be read and written in vec4s. */
export const isWide = ({ n, c, skip }: Job) => n % 4 === 0 && skip.bias % 4 === 0 && whole(c, skip.c)

/** Tiles for `matmul_lanes.wgsl`; null where it cannot, or more than half of their sums would lie outside C. */
function usualLanes(job: Job, form: number): Variant | null {
  const { m, n, bias } = job
  const lanes = lanesOf(job.c.tensor.device)
  if (lanes === 0) return null
  // For few columns: C's columns are computed as rows.
  const turned = form > 0 && n <= 16 && n < m && !bias
  if (form === 0 && !isWide(job)) return null
  const [down, across] = turned ? [n, m] : [m, n]
  const padded = (rows: number) => Math.ceil(down / rows) * rows
  // Large tiles are faster unless too many of their rows are past the end.
  const rows = padded(16) <= 1.25 * padded(8) ? 16 : 8
  const used = (down * across) / (padded(rows) * Math.ceil(across / 32) * 32)
  return used < 0.4 ? null : `lanes-${rows}${turned ? '-turned' : ''}`
}

/** One tile of 32 columns a subgroup, 16 threads a group. */
function runLanes(device: Device, job: Job, rows: number, turned: boolean): void {
  const lanes = lanesOf(device)
  const wide = !turned && isWide(job)
  const { op, m, n, a, b, c, skip, flops, bytes } = job
  const bind = inVectors(job.bind)
  const [down, across] = turned ? [n, m] : [m, n]
  const tiles = Math.ceil(down / rows) * Math.ceil(across / 32) * job.batches
  const laid = turned ? { ...job, m: n, n: m, a: b, b: a, c: { ...c, rowStride: 1 }, skip: { ...skip, a: skip.b, b: skip.a } } : job
  const words = vectorWords(laid, tiles, wide ? 4 : 1)
  device.run({
    op,
    shader: lanesShader,
    constants: {
      FORM: vectorForm(job) as number,
      ROWS: rows,
      LANES: lanes,
      PARTS: 8 / lanes,
      SHARE: rows / lanes,
      QUADS: rows / 4,
      WIDE: wide,
      Out: wide ? 'vec4f' : 'f32',
      ...typesOf(laid),
    },
    bind: turned ? [bind[0], bind[2], bind[1], bind[3]] : bind,
    words: [...words, turned ? c.rowStride : 1],
    groups: Math.ceil((tiles * lanes) / 16),
    flops,
    bytes,
  })
}

/** Rows of a tile of `matmul_thin.wgsl`. */
const thinRows = 64

/** So few k that a product is its stores. */
export function isThin(job: Job, form: number): boolean {
  return form < 2 && [4, 8, 16].includes(job.k) && !job.bias && lanesOf(job.c.tensor.device) > 0 && isWide(job)
}

/** One tile of 4 · lanes columns a subgroup, 16 threads a group. */
function runThin(device: Device, job: Job): void {
  const LANES = lanesOf(device)
  const { op, m, n, k, epilogue, flops, bytes } = job
  const tiles = Math.ceil(m / thinRows) * Math.ceil(n / (4 * LANES)) * job.batches
  const words = [...vectorWords(job, tiles, 4).slice(0, -3), epilogue, tiles]
  const constants = { FORM: vectorForm(job) as number, QUADS: k / 4, LANES, ...typesOf(job) }
  device.run({
    op,
    shader: thin,
    constants,
    bind: inVectors(job.bind).slice(0, 3),
    words,
    groups: Math.ceil((tiles * LANES) / 16),
    flops,
    bytes,
  })
}

/** Strides in vec4s; those of C and the bias in `cell` numbers; last the count of tiles, or of what the kernel asks for. */
export function vectorWords({ a, b, c, m, n, k, skip, batch1, alpha, epilogue }: Job, last: number, cell: number): Word[] {
  const quarters = (x: Matrix) => [x.rowStride, x.stride0 ?? 0, x.stride1 ?? 0].map((v) => v / 4)
  const out = [skip.c, c.rowStride, c.stride0 ?? 0, c.stride1 ?? 0].map((v) => v / cell)
  return [m, n, k, skip.a / 4, ...quarters(a), skip.b / 4, ...quarters(b), ...out, batch1, f32(alpha), skip.bias / cell, epilogue, last]
}

/** A vec4 binding is read in whole vec4s. */
export const inVectors = ([c, a, b, bias]: Binding[]) => [c, ...[a, b].map((x) => ({ ...x, size: Math.ceil(x.size / 16) * 16 })), bias]

/** `matmul_direct.wgsl`'s tile. */
export const directName = (form: number): Variant => (form === 0 ? 'direct-8x4' : 'direct-8x8')

/** By the first part of a variant's name; the others are its tile and `turned`. What is loaded later adds itself. */
export const kernels: Record<string, (device: Device, job: Job, size: number, turned: boolean, variant: Variant) => void> = {
  tiled: (device, job, rows) => runTiled(device, job, rows || 32),
  blocks: (device, job, side) => runBlocks(device, job, side),
  plain: runPlain,
  thin: runThin,
  direct: runDirect,
  lanes: runLanes,
}
