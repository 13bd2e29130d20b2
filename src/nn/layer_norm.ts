import type { Tensor } from '../graph'
import { layerNorm } from '../ops/layer_norm'
import type { Pass } from './pass'

/** y = γ·(x − μ)/√(σ² + eps) + β over the last dimension; with h of x + dropout(h). */
export class LayerNorm {
  constructor(
    readonly weight: Tensor,
    readonly bias: Tensor,
    readonly eps: number,
  ) {}

  forward(x: Tensor, pass: Pass, h?: Tensor, p = 0): Tensor {
    return layerNorm(x, pass.of(this.weight), pass.of(this.bias), this.eps, h && { h, dropout: pass.nextDropout(p) })
  }
}
