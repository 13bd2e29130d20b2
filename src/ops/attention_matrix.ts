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

/** Attention with its matrix P [batch, heads, length, length] in memory, f32, kept for backward; dropped probabilities are drawn
 * again. */
export function matrixAttention(q: Tensor, k: Tensor, v: Tensor, s: AttentionSizes, { mask, dropout }: AttentionTerms): Tensor {
  const scores = Tensor.empty(q.device, [s.batch, s.heads, s.length, s.length], 'attention.scores')
  gemm({
    op: 'attention.scores',
    a: heads(q, s),
    b: heads(k, s, true),
    c: square(scores, s),
    m: s.length,
    n: s.length,
    k: s.d,
    ...batches(s),
  })
  const p = softmaxForward('attention.softmax', scores, mask, s.heads * s.length, 1 / Math.sqrt(s.d))
  const drop = (t: Tensor) => (dropout ? dropoutForward('attention.dropout', t, dropout.p, dropout.rng) : t)
  const out = Tensor.empty(q.device, q.shape, 'attention', q.dtype)
  gemm({ op: 'attention.out', a: square(drop(p), s), b: heads(v, s), c: heads(out, s), m: s.length, n: s.d, k: s.length, ...batches(s) })
  return tape('attention', [q, k, v], out, (dout, [needQ, needK, needV]) => {
    const dv = needV ? gradV(drop(p), dout, s) : null
    if (!needQ && !needK) return [null, null, dv]
    const dp = Tensor.empty(q.device, p.shape, 'attention.dp')
    gemm({ op: 'attention.dp', a: heads(dout, s), b: heads(v, s, true), c: square(dp, s), m: s.length, n: s.length, k: s.d, ...batches(s) })
    const ds = softmaxBackward('attention.ds', p, drop(dp), 1 / Math.sqrt(s.d))
    return [needQ ? gradQ(ds, k, s) : null, needK ? gradK(ds, q, s) : null, dv]
  })
}
const batches = (s: AttentionSizes) => ({ batch0: s.batch, batch1: s.heads })

/** Each head of a [batch, length, heads·d] tensor as a matrix [length, d]. */
function heads(tensor: Tensor, s: AttentionSizes, transposed = false): Matrix {
  const hidden = s.heads * s.d
  return { tensor, rowStride: hidden, transposed, stride0: s.length * hidden, stride1: s.d }
}

/** Each head of a [batch, heads, length, length] tensor. */
function square(tensor: Tensor, s: AttentionSizes, transposed = false): Matrix {
  const n = s.length * s.length
  return { tensor, rowStride: s.length, transposed, stride0: s.heads * n, stride1: n }
}

function gradV(p: Tensor, dout: Tensor, s: AttentionSizes): Tensor {
  const dv = Tensor.empty(p.device, dout.shape, 'attention.dv')
  gemm({ op: 'attention.dv', a: square(p, s, true), b: heads(dout, s), c: heads(dv, s), m: s.length, n: s.d, k: s.length, ...batches(s) })
  return dv
}

function gradQ(ds: Tensor, k: Tensor, s: AttentionSizes): Tensor {
  const dq = Tensor.empty(k.device, k.shape, 'attention.dq')
  gemm({ op: 'attention.dq', a: square(ds, s), b: heads(k, s), c: heads(dq, s), m: s.length, n: s.d, k: s.length, ...batches(s) })
  return dq
}

function gradK(ds: Tensor, q: Tensor, s: AttentionSizes): Tensor {
  const dk = Tensor.empty(q.device, q.shape, 'attention.dk')
  gemm({ op: 'attention.dk', a: square(ds, s, true), b: heads(q, s), c: heads(dk, s), m: s.length, n: s.d, k: s.length, ...batches(s) })
  return dk
}
