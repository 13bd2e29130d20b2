import type { Tensor } from '../graph'
import { linear, linears } from '../ops/linear'
import type { Pass } from './pass'

/** y = x·Wᵀ + b, or what an adapter of this layer makes of it. */
export class Linear {
  constructor(
    /** Module path as in the checkpoint, e.g. `roberta.encoder.layer.0.attention.self.query`. */
    readonly name: string,
    /** [out, in]; a view of a stack where layers of one kind lie together. */
    readonly weight: Tensor,
    readonly bias: Tensor | null,
  ) {}

  forward(x: Tensor, pass: Pass): Tensor {
    const adapter = pass.adapters.get(this.name)
    if (adapter) return adapter.forward(this, x, pass)
    return linear(x, pass.of(this.weight), pass.of(this.bias))
  }
}

/** The forwards of several layers of one input; x·Wᵀ + b is one product for all of them where that can be. */
export function forwardAll(layers: Linear[], x: Tensor, pass: Pass): Tensor[] {
  const adapters = layers.map(({ name }) => pass.adapters.get(name))
  if (adapters.some((adapter) => adapter && !adapter.addsToDense?.(pass))) return layers.map((layer) => layer.forward(x, pass))
  const dense = linears(
    x,
    layers.map(({ weight }) => pass.of(weight)),
    layers.map(({ bias }) => pass.of(bias)),
  )
  return layers.map((layer, i) => adapters[i]?.forward(layer, x, pass, dense[i]) ?? dense[i])
}
