import { complain } from '../gpu'
import { Tensor, tape } from '../graph'
import { type DropoutRng, dropoutForward } from './dropout'
import { gemm, type Matrix } from './gemm'
import { softmaxBackward, softmaxForward } from './softmax'

export interface AttentionOptions {
  heads: number
  /** [batch, length], 1 = a real token. Keys with 0 get no weight; a query whose keys are all masked gives zeros. */
  mask?: Tensor | null
  /** Dropout on the probabilities. */
  dropout?: { p: number; rng: DropoutRng } | null
}

/**
 * Multi-head attention: o = softmax(q·kᵀ/√d + mask)·v per head; q, k, v, o [batch, length, heads·d], f32. Heads are
 * strides inside the rows, never copies. P is kept for backward; dropped probabilities are drawn again.
 *
 * Backward: dV = P'ᵀ·dO, dP' = dO·Vᵀ, dS = P∘(dP − Σ dP∘P), dQ = dS·K/√d, dK = dSᵀ·Q/√d (P' is P after dropout).
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const s = checkShapes(q, k, v, options)
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
  const p = softmaxForward('attention.softmax', scores, options.mask ?? null, s.heads * s.length, 1 / Math.sqrt(s.d))
  const drop = (t: Tensor) => (options.dropout?.p ? dropoutForward('attention.dropout', t, options.dropout.p, options.dropout.rng) : t)
  const out = Tensor.empty(q.device, q.shape, 'attention')
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

interface Sizes {
  batch: number
  length: number
  heads: number
  d: number
}

function checkShapes(q: Tensor, k: Tensor, v: Tensor, { heads, mask }: AttentionOptions): Sizes {
  const [batch, length, hidden] = q.shape
  if (q.shape.length !== 3) complain('attention', 'q', '[batch, length, hidden]', `[${q.shape}]`)
  for (const [name, t] of [
    ['k', k],
    ['v', v],
  ] as const)
    if (`${t.shape}` !== `${q.shape}`) complain('attention', name, `[${q.shape}]`, `[${t.shape}]`)
  if (hidden % heads) complain('attention', 'hidden size', `a multiple of ${heads} heads`, `${hidden}`)
  if (mask && mask.size !== batch * length) complain('attention', 'mask', `[${batch}, ${length}]`, `[${mask.shape}]`)
  return { batch, length, heads, d: hidden / heads }
}

const batches = (s: Sizes) => ({ batch0: s.batch, batch1: s.heads })

/** Each head of a [batch, length, heads·d] tensor as a matrix [length, d]. */
function heads(tensor: Tensor, s: Sizes, transposed = false): Matrix {
  const hidden = s.heads * s.d
  return { tensor, rowStride: hidden, transposed, stride0: s.length * hidden, stride1: s.d }
}

/** Each head of a [batch, heads, length, length] tensor. */
function square(tensor: Tensor, s: Sizes, transposed = false): Matrix {
  const n = s.length * s.length
  return { tensor, rowStride: s.length, transposed, stride0: s.heads * n, stride1: n }
}

function gradV(p: Tensor, dout: Tensor, s: Sizes): Tensor {
  const dv = Tensor.empty(p.device, dout.shape, 'attention.dv')
  gemm({ op: 'attention.dv', a: square(p, s, true), b: heads(dout, s), c: heads(dv, s), m: s.length, n: s.d, k: s.length, ...batches(s) })
  return dv
}

function gradQ(ds: Tensor, k: Tensor, s: Sizes): Tensor {
  const dq = Tensor.empty(k.device, k.shape, 'attention.dq')
  gemm({ op: 'attention.dq', a: square(ds, s), b: heads(k, s), c: heads(dq, s), m: s.length, n: s.d, k: s.length, ...batches(s) })
  return dq
}

function gradK(ds: Tensor, q: Tensor, s: Sizes): Tensor {
  const dk = Tensor.empty(q.device, q.shape, 'attention.dk')
  gemm({ op: 'attention.dk', a: square(ds, s, true), b: heads(q, s), c: heads(dk, s), m: s.length, n: s.d, k: s.length, ...batches(s) })
  return dk
}
