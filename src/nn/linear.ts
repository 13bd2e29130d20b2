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
    readonly bias: Tensor,
  ) {}

  forward(x: Tensor, pass: Pass): Tensor {
    const adapter = pass.adapters.get(this.name)
    if (adapter) return adapter.forward(this, x, pass)
    return linear(x, pass.of(this.weight), pass.of(this.bias))
  }

  /** Its weight and bias, where it does no more than x·Wᵀ + b; null where an adapter changes that. */
  plain(pass: Pass): { weight: Tensor; bias: Tensor } | null {
    return pass.adapters.has(this.name) ? null : { weight: pass.of(this.weight), bias: pass.of(this.bias) }
  }
}

/**
 * The forwards of several layers of one input, one after the other; or one tensor whose rows hold them side by side, where their
 * weights follow each other in memory and adapters do no more than add a low-rank product.
 */
export function forwardAll(layers: Linear[], x: Tensor, pass: Pass): Tensor[] {
  const adapters = layers.map(({ name }) => pass.adapters.get(name))
  const added = adapters.map((adapter) => adapter?.lowRank?.(pass))
  const dense = adapters.every((adapter, i) => !adapter || added[i]) && linears(x, ...tensorsOf(layers, pass))
  if (!dense) return layers.map((layer) => layer.forward(x, pass))
  const width = (dense.shape.at(-1) ?? 0) / layers.length
  const terms = added.flatMap((each, i) => (each ? [{ ...each.term(x), column: i * width }] : []))
  return [added.find(Boolean)?.add(dense, terms) ?? dense]
}

const tensorsOf = (layers: Linear[], pass: Pass): [Tensor[], Tensor[]] => [
  layers.map(({ weight }) => pass.of(weight)),
  layers.map(({ bias }) => pass.of(bias)),
]
