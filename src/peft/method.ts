import type * as v from 'valibot'
import type { Tensor } from '../graph'
import type { ModelForSequenceClassification } from '../models/sequence_classification'
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
  /** Other tensors computed once per optimizer step: gradients pass through to the leaves, or not at all. */
  fixed?: Tensor[]
}

/** A and B of one layer, as plain LoRA has them: ΔW = scaling·B·A. */
export interface LowRankFactors {
  path: string
  A: Tensor
  B: Tensor
  scaling: number
}

/** A tensor of a method; its start values may have to be computed from the base's weights. */
export interface Start extends Omit<ParameterSpec, 'init'> {
  init: () => Float32Array | Promise<Float32Array>
}

/** A configured method on a model: what it trains, and how adapters come from that. */
export interface Method {
  /** Paths of the adapted layers. */
  readonly targets: readonly string[]
  /** Tensors besides the base's own, named as in the adapter file without `base_model.model.`. */
  readonly parameters: Start[]
  /** What stands in for tensors of the base, trained or not (PiSSA's rest of W0). */
  readonly replaced?: ReadonlyMap<Tensor, Tensor>
  /** What there is to do once, when the tensors are there: frozen projections. */
  ready?(trained: FlatParameters): Promise<void>
  /** Dispatches what is to be done once per optimizer step, e.g. CondLoRA's conversion. */
  prepare(trained: FlatParameters): Prepared
  /** The same adapters as plain LoRA, to be saved so; lacking where a method is none. */
  asLora?(trained: FlatParameters): LowRankFactors[] | Promise<LowRankFactors[]>
}

/** A way to adapt a model. A new one is one file with this object, its line in `methods.ts`, and its test. */
export interface Kind<Schema extends v.GenericSchema> {
  /** Its configuration, checked and filled with PEFT's defaults. */
  schema: Schema
  /** Keys that PEFT writes beside those of the schema, with the values that are all that is possible here. */
  written(): Promise<Record<string, unknown>>
  /** Keys of the schema that are about training alone: not in adapter_config.json. */
  unwritten?: string[]
  create(model: ModelForSequenceClassification, config: v.InferOutput<Schema>, seed: number): Promise<Method>
}
