import type { Tensor } from '../graph'
import type { Files } from '../io'
import type { EncoderConfig } from '../models/config'
import { metaModel } from '../models/meta'
import { linearsOf, modulesOf } from '../models/modules'
import type { ModelForSequenceClassification } from '../models/sequence_classification'
import { FlatParameters, type ParameterSpec } from '../nn/parameters'
import { CondLora } from './condlora'
import { type PeftConfig, peftConfig, type ResolvedPeftConfig } from './config'
import { headOnly } from './head_only'
import { Lora } from './lora'
import type { Method, Prepared } from './method'
import { findTargets } from './targets'
import { type WholeTensor, wholeSpec, wholeSpecs, wholeTensors } from './whole'

/** Numbers that are trained, and all numbers of base and adapter. */
export interface ParameterCounts {
  adapter: number
  head: number
  all: number
}

/** A configuration on a model: the method's tensors and those of the base that are trained in a copy. */
interface Layout {
  config: ResolvedPeftConfig
  method: Method
  whole: WholeTensor[]
}

/** An adapter of a model. The base is not changed: several may share one. */
export class Adapter {
  readonly config: ResolvedPeftConfig
  readonly method: Method
  /** Trained tensors by name: those of the method, then those of the base. */
  readonly parameters: FlatParameters
  readonly counts: ParameterCounts
  /** What is trained in place of the base's tensors. */
  readonly replaced: ReadonlyMap<Tensor, Tensor>

  constructor(base: ModelForSequenceClassification, layout: Layout, specs: ParameterSpec[]) {
    this.config = layout.config
    this.method = layout.method
    this.parameters = new FlatParameters(base.device, specs)
    this.counts = count(base, layout)
    this.replaced = new Map(layout.whole.map(({ name, tensor }) => [tensor, this.parameters.get(name)]))
  }

  prepare(): Prepared {
    return this.method.prepare(this.parameters)
  }

  dispose(): void {
    this.parameters.dispose()
  }
}

/** An adapter to be trained, with start values from `seed`. */
export async function newAdapter(base: ModelForSequenceClassification, config: PeftConfig, seed = 42): Promise<Adapter> {
  const layout = await layOut(base, peftConfig(config), seed)
  return new Adapter(base, layout, [...layout.method.parameters, ...(await wholeSpecs(layout.whole))])
}

/** The adapter of a folder. */
export async function openAdapter(base: ModelForSequenceClassification, files: Files): Promise<Adapter> {
  const { readAdapterConfig, readAdapterTensors } = await import('./adapter_file')
  const layout = await layOut(base, await readAdapterConfig(files), 0)
  const wanted = [...layout.method.parameters, ...layout.whole.map((each) => wholeSpec(each))]
  return new Adapter(base, layout, await readAdapterTensors(files, wanted))
}

/** Trained and all parameters of a method on a model, from the two configurations alone: no weights, no GPU. */
export async function trainableParameters(model: EncoderConfig, config: PeftConfig): Promise<ParameterCounts> {
  const base = metaModel(model)
  return count(base, await layOut(base, peftConfig(config), 0))
}

async function layOut(model: ModelForSequenceClassification, config: ResolvedPeftConfig, seed: number): Promise<Layout> {
  return { config, method: await createMethod(model, config, seed), whole: wholeTensors(model, config) }
}

async function createMethod(model: ModelForSequenceClassification, config: ResolvedPeftConfig, seed: number): Promise<Method> {
  if (config.peftType === 'HEAD') return headOnly
  const targets = await findTargets(linearsOf(model), modulesOf(model), config)
  return config.peftType === 'LORA' ? new Lora(config, targets, seed) : new CondLora(config, targets, seed)
}

/** Counts as PEFT's: `all` has the base's own head too. */
function count(base: ModelForSequenceClassification, { method, whole }: Layout): ParameterCounts {
  const ofHead = new Set(base.head.tensors.values())
  const sum = (tensors: { shape: readonly number[] }[]) => tensors.reduce((n, { shape }) => n + shape.reduce((p, d) => p * d, 1), 0)
  const head = sum(whole.map(({ tensor }) => tensor).filter((tensor) => ofHead.has(tensor)))
  const copies = sum(whole.map(({ tensor }) => tensor))
  const own = sum(method.parameters)
  return { adapter: own + copies - head, head, all: base.parameterCount + own + copies }
}
