import { complain } from '../gpu'
import type { Tensor } from '../graph'
import { fusedAttention, isFused } from './attention_fused'
import { type AttentionSizes, matrixAttention } from './attention_matrix'
import type { DropoutRng } from './dropout'

export interface AttentionOptions {
  heads: number
  /** [batch, length], 1 = a real token. Keys with 0 get no weight; a query whose keys are all masked gives zeros. */
  mask?: Tensor | null
  /** Dropout on the probabilities. */
  dropout?: { p: number; rng: DropoutRng } | null
}

/**
 * Multi-head attention: o = softmax(q·kᵀ/√d + mask)·v per head; q, k, v, o [batch, length, heads·d], all f32 or all f16. Heads are
 * strides inside the rows, never copies. Where `isFused` says so, P is never in memory, and backward makes it again.
 *
 * Backward: dV = P'ᵀ·dO, dP' = dO·Vᵀ, dS = P∘(dP − Σ dP∘P), dQ = dS·K/√d, dK = dSᵀ·Q/√d (P' is P after dropout).
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const s = checkShapes(q, k, v, options)
  const terms = { mask: options.mask ?? null, dropout: options.dropout?.p ? options.dropout : null }
  return (isFused(q.device, s, [q, k, v]) ? fusedAttention : matrixAttention)(q, k, v, s, terms)
}

function checkShapes(q: Tensor, k: Tensor, v: Tensor, { heads, mask }: AttentionOptions): AttentionSizes {
  const [batch, length, hidden] = q.shape
  if (q.shape.length !== 3) complain('attention', 'q', '[batch, length, hidden]', `[${q.shape}]`)
  for (const [name, t] of [
    ['k', k],
    ['v', v],
  ] as const) {
    if (`${t.shape}` !== `${q.shape}`) complain('attention', name, `[${q.shape}]`, `[${t.shape}]`)
    if (t.dtype !== q.dtype) complain('attention', name, q.dtype, t.dtype)
  }
  if (hidden % heads) complain('attention', 'hidden size', `a multiple of ${heads} heads`, `${hidden}`)
  if (mask && mask.size !== batch * length) complain('attention', 'mask', `[${batch}, ${length}]`, `[${mask.shape}]`)
  return { batch, length, heads, d: hidden / heads }
}
