import { complain } from '../gpu'
import type { Tensor } from '../graph'
import { fusedAttention, isFused } from './attention_fused'
import { matrixAttention } from './attention_matrix'
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
  checkShapes(q, k, v)
  return attend([q, k, v], q.shape, options)
}

/** `attention` of q, k and v that lie side by side in the rows of one tensor, [batch, length, 3·heads·d]. */
export function selfAttention(qkv: Tensor, options: AttentionOptions): Tensor {
  const [batch, length, width] = qkv.shape
  return attend([qkv], [batch, length, width / 3], options)
}

function attend(inputs: Tensor[], shape: readonly number[], { heads, mask = null, dropout }: AttentionOptions): Tensor {
  const [batch, length, hidden] = shape
  if (hidden % heads) complain('attention', 'hidden size', `a multiple of ${heads} heads`, `${hidden}`)
  if (mask && mask.size !== batch * length) complain('attention', 'mask', `[${batch}, ${length}]`, `[${mask.shape}]`)
  const s = { batch, length, heads, d: hidden / heads }
  return (isFused(inputs[0].device, s, inputs) ? fusedAttention : matrixAttention)(inputs, s, {
    mask,
    dropout: dropout?.p ? dropout : null,
  })
}

function checkShapes(q: Tensor, k: Tensor, v: Tensor): void {
  if (q.shape.length !== 3) complain('attention', 'q', '[batch, length, hidden]', `[${q.shape}]`)
  for (const [name, t] of [
    ['k', k],
    ['v', v],
  ] as const) {
    if (`${t.shape}` !== `${q.shape}`) complain('attention', name, `[${q.shape}]`, `[${t.shape}]`)
    if (t.dtype !== q.dtype) complain('attention', name, q.dtype, t.dtype)
  }
}
