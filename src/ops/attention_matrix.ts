import { Tensor, tape } from '../graph'
import { type DropoutRng, dropoutForward } from './dropout'
import { gemm, type Matrix } from './gemm'
import { softmaxBackward, softmaxForward } from './softmax'

export interface AttentionSizes {
  batch: number
  length: number
  heads: number
  d: number
}

export interface AttentionTerms {
  mask: Tensor | null
  dropout: { p: number; rng: DropoutRng } | null
}

/** Rows [batch · length, heads · d] that may be parts of longer ones. */
export interface Rows {
  tensor: Tensor
  /** Where the first begins in the tensor. */
  offset: number
  /** From one to the next. */
  stride: number
}

/** q, k and v, or their gradients: three tensors, or parts of the rows of one. */
export function rowsOf(tensors: (Tensor | null)[], { heads, d }: AttentionSizes): (Rows | null)[] {
  const [first] = tensors
  const [width, packed] = [heads * d, tensors.length === 1]
  return [0, 1, 2].map((i) => {
    const tensor = packed ? first : tensors[i]
    return tensor && { tensor, offset: packed ? i * width : 0, stride: packed ? 3 * width : width }
  })
}

/** o, or its gradient. */
export const wholeRows = (tensor: Tensor): Rows => ({ tensor, offset: 0, stride: tensor.shape[2] })

/** Attention with its matrix P [batch, heads, length, length] in memory, f32, kept for backward; dropped probabilities are drawn
 * again. */
export function matrixAttention(inputs: Tensor[], s: AttentionSizes, { mask, dropout }: AttentionTerms): Tensor {
  const { batch, length, heads, d } = s
  const { device } = inputs[0]
  const [q, k, v] = rowsOf(inputs, s) as Rows[]
  const square = (op: string) => Tensor.empty(device, [batch, heads, length, length], op)
  const scores = square('attention.scores')
  pairs('attention.scores', q, k, scores, s)
  const p = softmaxForward('attention.softmax', scores, mask, heads * length, 1 / Math.sqrt(d))
  const drop = (t: Tensor) => (dropout ? dropoutForward('attention.dropout', t, dropout.p, dropout.rng) : t)
  const out = Tensor.empty(device, [batch, length, heads * d], 'attention', inputs[0].dtype)
  mix('attention.out', drop(p), false, v, wholeRows(out), s)
  return tape('attention', inputs, out, (dout, needs) => {
    const gradients = inputs.map((t, i) => (needs[i] ? Tensor.empty(device, t.shape, 'attention.gradient') : null))
    const [dq, dk, dv] = rowsOf(gradients, s)
    const g = wholeRows(dout)
    if (dv) mix('attention.dv', drop(p), true, g, dv, s)
    if (!dq && !dk) return gradients
    const dp = square('attention.dp')
    pairs('attention.dp', g, v, dp, s)
    const ds = softmaxBackward('attention.ds', p, drop(dp), 1 / Math.sqrt(d))
    if (dq) mix('attention.dq', ds, false, k, dq, s)
    if (dk) mix('attention.dk', ds, true, q, dk, s)
    return gradients
  })
}

/** a·bᵀ of each head. */
function pairs(op: string, a: Rows, b: Rows, to: Tensor, s: AttentionSizes): void {
  gemm({
    op,
    a: headsOf(a, s),
    b: { ...headsOf(b, s), transposed: true },
    c: square(to, s),
    m: s.length,
    n: s.length,
    k: s.d,
    ...batches(s),
  })
}

/** weights·x of each head, or weightsᵀ·x. */
function mix(op: string, weights: Tensor, transposed: boolean, x: Rows, to: Rows, s: AttentionSizes): void {
  const a = { ...square(weights, s), transposed }
  gemm({ op, a, b: headsOf(x, s), c: headsOf(to, s), m: s.length, n: s.d, k: s.length, ...batches(s) })
}

const batches = (s: AttentionSizes) => ({ batch0: s.batch, batch1: s.heads })

/** Each head as a matrix [length, d]. */
const headsOf = ({ tensor, offset, stride }: Rows, s: AttentionSizes): Matrix => ({
  tensor,
  offset,
  rowStride: stride,
  stride0: s.length * stride,
  stride1: s.d,
})

/** Each head of a [batch, heads, length, length] tensor. */
function square(tensor: Tensor, s: AttentionSizes): Matrix {
  const n = s.length * s.length
  return { tensor, rowStride: s.length, stride0: s.heads * n, stride1: n }
}
