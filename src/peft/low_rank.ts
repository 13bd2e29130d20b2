import type { Tensor } from '../graph'
import type { Linear } from '../nn/linear'
import type { LinearAdapter, Pass } from '../nn/pass'
import { loraLinear } from '../ops/lora_linear'

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
  constructor(private readonly options: LowRankOptions) {}

  forward({ weight, bias }: Linear, x: Tensor, pass: Pass): Tensor {
    const { A, B, scaling, dropout, placement } = this.options
    const dropped = pass.dropout(x, dropout)
    return loraLinear(placement === 'input' ? dropped : x, weight, bias, { A, B, scaling, input: dropped })
  }
}
