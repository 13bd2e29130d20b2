import * as v from 'valibot'
import type { Tensor } from '../graph'
import type { Linear } from '../nn/linear'
import type { LinearAdapter, Pass } from '../nn/pass'
import { gemm } from '../ops/gemm'
import { addLowRank, loraLinear } from '../ops/lora_linear'
import { finite, positive, rate, targeting } from './config'

/** What LoRA and its relatives take. */
export const lowRankKeys = {
  ...targeting,
  /** Rank of ΔW. */
  r: v.optional(positive, 8),
  /** The adapter's scale is loraAlpha / r. */
  loraAlpha: v.optional(v.pipe(finite, v.gtValue(0)), 8),
  /** Dropout on the adapter's input. */
  loraDropout: v.optional(rate, 0),
}

export interface LowRankOptions {
  /** [r, in] */
  A: Tensor
  /** [out, r] */
  B: Tensor
  scaling: number
  dropout: number
  /** Where dropout acts. */
  placement: 'adapter' | 'input'
}

/** y = W·x + b + scaling·B·A·dropout(x): the forward of LoRA and of all that ends in an A and a B per layer. */
export class LowRankAdapter implements LinearAdapter {
  constructor(readonly options: LowRankOptions) {}

  lowRank(pass: Pass) {
    const { A, B, scaling, dropout, placement } = this.options
    if (placement === 'input' && pass.training) return null
    return { term: (x: Tensor) => ({ A, B, scaling, input: pass.dropout(x, dropout) }), add: addLowRank }
  }

  /** `dropped`: x after the adapter's dropout, where that is known already. */
  forward({ weight, bias }: Linear, x: Tensor, pass: Pass, dropped = pass.dropout(x, this.options.dropout)): Tensor {
    const { A, B, scaling, placement } = this.options
    return loraLinear(placement === 'input' ? dropped : x, pass.of(weight), pass.of(bias), { A, B, scaling, input: dropped })
  }

  mergeInto(weight: Tensor): void {
    const { A, B, scaling } = this.options
    const [r, inputs] = A.shape
    gemm({
      op: 'merge',
      a: { tensor: B, rowStride: r },
      b: { tensor: A, rowStride: inputs },
      c: { tensor: weight, rowStride: inputs },
      m: B.shape[0],
      n: inputs,
      k: r,
      alpha: scaling,
      accumulate: true,
    })
  }
}
