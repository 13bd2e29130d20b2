import type { Tensor } from '../graph'
import type { FlatParameters, ParameterSpec } from '../nn/parameters'
import type { LinearAdapter } from '../nn/pass'

/** A tensor computed from trained ones once per optimizer step; forward reads it in `leaves`, views at an offset in it. */
export interface Derived {
  tensor: Tensor
  leaves: [view: Tensor, offset: number][]
}

/** What a forward needs of an adapter, by module path. */
export interface Prepared {
  adapters: ReadonlyMap<string, LinearAdapter>
  derived: Derived[]
}

/** A and B of one layer, as plain LoRA has them: ΔW = scaling·B·A. */
export interface LowRankFactors {
  path: string
  A: Tensor
  B: Tensor
}

/** A way to adapt a model: what it trains, and how adapters come from that. A new method is one file and its test. */
export interface Method {
  /** Trained tensors besides the base's own, named as in the adapter file without `base_model.model.`. */
  readonly parameters: ParameterSpec[]
  /** Dispatches what is to be done once per optimizer step, e.g. CondLoRA's conversion. */
  prepare(trained: FlatParameters): Prepared
  /** The same adapters as plain LoRA, to be saved so. */
  asLora(trained: FlatParameters): LowRankFactors[]
}
