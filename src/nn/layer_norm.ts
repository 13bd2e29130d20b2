import type { Tensor } from '../graph'
import { layerNorm } from '../ops/layer_norm'

/** y = γ·(x − μ)/√(σ² + eps) + β over the last dimension. */
export class LayerNorm {
  constructor(
    readonly weight: Tensor,
    readonly bias: Tensor,
    readonly eps: number,
  ) {}

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight, this.bias, this.eps)
  }
}
