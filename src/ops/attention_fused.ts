import shader from '../../shaders/attention.wgsl'
import { type Device, f32 } from '../gpu'
import { halves, Tensor, tape } from '../graph'
import { type AttentionSizes, type AttentionTerms, type Rows, rowsOf, wholeRows } from './attention_matrix'
import { dropoutBits } from './dropout'

/**
 * Whether attention of these sizes never has its matrix in memory. GPUs: wherever a head's rows are whole vec4s, up to 128 numbers.
 * Software adapters pay for the kernels' barriers, and for 7 products in backward instead of 5: at 4 × 12 × (128 × 32), forward and
 * backward, 1.4 s of processor time instead of 0.3 (SwiftShader) and 0.25 instead of 0.06 (lavapipe), and seconds of compiling; there
 * the matrix stays until it takes more than 64 MiB.
 */
export function isFused(device: Device, s: AttentionSizes, inputs: Tensor[]): boolean {
  const { batch, heads, length, d } = s
  if (device.software && 4 * batch * heads * length ** 2 <= 64 << 20) return false
  // The largest bindings: dk and dv together, which are parts of longer rows with dq; and dropout's bits.
  const gradients = inputs.length > 1 ? 2 * d : 3 * d
  const largest = 4 * batch * heads * length * Math.max(gradients, Math.ceil(length / 32)) + 512
  return d % 4 === 0 && d <= 128 && inputs.every((t) => t.offset % 4 === 0) && largest <= device.limits.maxStorageBufferBindingSize
}

/**
 * Attention without its matrix: what is kept is o and, for each row, the logarithm of its sum; backward makes P again. Dropout's bits,
 * one an element, live while the kernels of one direction run.
 */
export function fusedAttention(inputs: Tensor[], s: AttentionSizes, { mask, dropout }: AttentionTerms): Tensor {
  const [{ device }] = inputs
  const [q, k, v] = rowsOf(inputs, s) as Rows[]
  const rows = s.batch * s.heads * s.length
  const stats = Tensor.empty(device, [rows, 2], 'attention.stats')
  const draw = () => (dropout ? dropoutBits('attention.dropout', dropout.rng.state, dropout.rng.stream, dropout.p, rows, s.length) : null)
  const scale = 1 / Math.sqrt(s.d)
  const scaleA = scale * Math.LOG2E
  const kept = 1 / (1 - (dropout?.p ?? 0))
  const out = Tensor.empty(device, [s.batch, s.length, s.heads * s.d], 'attention', inputs[0].dtype)
  const scales = [scaleA, 0, kept, 0]
  run({ op: 'attention', form: 0, out: [wholeRows(out)], a: q, b: q, x: k, y: v, scales, stats, mask, bits: draw(), s })
  return tape('attention', inputs, out, (dout, [needQ, needK = needQ, needV = needQ]) => {
    const bits = draw()
    const g = wholeRows(dout)
    const scales = [scaleA, kept, scale, kept]
    const common = { y: v, b: g, scales, stats, mask, bits, s }
    const gradients =
      inputs.length > 1 ? threeOf(inputs, needQ, needK || needV) : inputs.map((t) => Tensor.empty(device, t.shape, 'attention.gradient'))
    const [dq, dk, dv] = rowsOf(gradients, s)
    if (needQ || needK) dots(g, out, stats, s)
    if (dq) run({ op: 'attention.dq', form: 1, out: [dq], a: q, x: k, ...common })
    if (dk && dv) run({ op: 'attention.dkv', form: 2, out: [dk, dv], a: k, x: q, ...common, b: v, y: g })
    return gradients
  })
}

/** dq, dk and dv, the last two in one storage, so that a kernel has one binding for both: with all it reads they are the 8 that every device has. */
function threeOf([{ device, shape, size }]: Tensor[], needQ: boolean, needOthers: boolean): (Tensor | null)[] {
  const dq = needQ ? Tensor.empty(device, shape, 'attention.dq') : null
  if (!needOthers) return [dq, null, null]
  const start = Math.ceil(size / 64) * 64
  const both = Tensor.empty(device, [start + size], 'attention.dkv')
  return [dq, both.view(shape), both.view(shape, start)]
}

interface Run {
  op: string
  form: 0 | 1 | 2
  out: Rows[]
  /** Own rows, and rows that pass. */
  a: Rows
  b: Rows
  x: Rows
  y: Rows
  /** Factors on a, on b, on what is written first and second. */
  scales: number[]
  stats: Tensor
  mask: Tensor | null
  bits: Tensor | null
  s: AttentionSizes
}

/** A group for 32 rows of a head. */
function run({ op, form, out, a, b, x, y, scales, stats, mask, bits, s }: Run): void {
  const { length, heads, d } = s
  const [QUADS, HALVES] = [Math.ceil(d / 32), form ? 2 : 1]
  const bound = (r: Rows, more = 0) => r.tensor.bindLoose(r.offset, (s.batch * length - 1) * r.stride + heads * d + more)
  const [to, next = to] = out
  const second = next.tensor.offset + next.offset - to.tensor.offset - to.offset
  const [first, ...read] = [bound(to, second), ...[a, b, x, y].map((r) => bound(r))]
  const filler = { binding: { ...read[0].binding, size: 16 }, skip: 0 }
  const others = [whole(stats), mask ? whole(mask) : filler, bits ? whole(bits) : filler]
  const rows = [a, b, x, y].flatMap(({ stride }, i) => [read[i].skip / 4, stride / 4])
  const types = halves({ Out: to.tensor, A: a.tensor, B: b.tensor, X: x.tensor, Y: y.tensor }, 4)
  const places = [...rows, first.skip / 4, to.stride / 4, (first.skip + second) / 4]
  stats.device.run({
    op,
    shader,
    constants: { FORM: form, QUADS, OWNED: 4 * QUADS, HALVES, SUMS: 4 * HALVES, ...types },
    bind: [first, ...read, ...others].map(({ binding }) => binding),
    words: [0, length, heads, d / 4, ...places, others[1].skip, mask ? 1 : 0, bits?.shape[1] ?? 0, ...scales.map(f32)],
    groups: s.batch * heads * Math.ceil(length / 32),
    flops: [4, 6, 8][form] * s.batch * heads * length * length * d,
  })
}

const whole = (t: Tensor) => t.bindLoose(0, t.size)

/** D = g·o of each row of each head. */
function dots(g: Rows, out: Tensor, stats: Tensor, { batch, length, heads, d }: AttentionSizes): void {
  const [a, b] = [g.tensor, out].map(whole)
  const rows = batch * heads * length
  const row = (heads * d) / 4
  out.device.run({
    op: 'attention.dots',
    shader,
    constants: { FORM: 3, Out: 'f32', ...halves({ B: out }, 4) },
    bind: [stats.bind(), a.binding, b.binding],
    words: [rows, length, heads, d / 4, a.skip / 4, row, b.skip / 4, row],
    groups: Math.ceil(rows / 64),
    flops: 2 * rows * d,
  })
}
