import type { Tensor } from '../graph'
import type { Files } from '../io'
import type { EncoderConfig } from '../models/config'
import { metaModel } from '../models/meta'
import type { ModelForSequenceClassification } from '../models/sequence_classification'
import { FlatParameters, type ParameterSpec } from '../nn/parameters'
import type { Method, Prepared, Start } from './method'
import { kindOf, type PeftConfig, peftConfig, type ResolvedPeftConfig } from './methods'
import { type WholeTensor, wholeStart, wholeTensors } from './whole'

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
  /** LoRA+: of biases and norms, as PEFT does. */
  lrScale: number
}

/** An adapter of a model. The base is not changed: several may share one. */
export class Adapter {
  readonly config: ResolvedPeftConfig
  readonly method: Method
  /** Trained tensors by name: those of the method, then those of the base. */
  readonly parameters: FlatParameters
  readonly counts: ParameterCounts
  /** What stands in for the base's tensors. */
  readonly replaced = new Map<Tensor, Tensor>()

  private constructor(base: ModelForSequenceClassification, layout: Layout, specs: ParameterSpec[]) {
    this.config = layout.config
    this.method = layout.method
    this.parameters = new FlatParameters(base.device, specs)
    this.counts = count(base, layout)
    for (const { name, tensor } of layout.whole) this.replaced.set(tensor, this.parameters.get(name))
  }

  static async create(base: ModelForSequenceClassification, layout: Layout, starts: Start[]): Promise<Adapter> {
    const specs = starts.map(async (start): Promise<ParameterSpec> => {
      const values = await start.init()
      return { ...start, init: () => values }
    })
    const adapter = new Adapter(base, layout, await Promise.all(specs))
    await layout.method.ready?.(adapter.parameters)
    for (const [own, other] of layout.method.replaced ?? []) adapter.replaced.set(own, other)
    return adapter
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
  const layout = await layOut(base, await peftConfig(config), seed)
  return Adapter.create(base, layout, startsOf(layout))
}

/** The adapter of a folder, with `changes` to its configuration. */
export async function openAdapter(base: ModelForSequenceClassification, files: Files, changes: Partial<PeftConfig> = {}): Promise<Adapter> {
  const { readAdapterConfig, readAdapterTensors } = await import('./adapter_file')
  const layout = await layOut(base, await readAdapterConfig(files, changes), 0)
  return Adapter.create(base, layout, await readAdapterTensors(files, startsOf(layout)))
}

const startsOf = ({ method, whole, lrScale }: Layout): Start[] => [...method.parameters, ...whole.map((each) => wholeStart(each, lrScale))]

/** Trained and all parameters of a method on a model, from the two configurations alone: no weights, no GPU. */
export async function trainableParameters(model: EncoderConfig, config: PeftConfig): Promise<ParameterCounts> {
  const base = metaModel(model)
  return count(base, await layOut(base, await peftConfig(config), 0))
}

async function layOut(model: ModelForSequenceClassification, config: ResolvedPeftConfig, seed: number): Promise<Layout> {
  const method = await (await kindOf(config)).create(model, config, seed)
  return {
    config,
    method,
    whole: wholeTensors(model, config, method.targets),
    lrScale: 'loraplusLrRatio' in config ? config.loraplusLrRatio : 1,
  }
}

/** Counts as PEFT's: `all` has the base's own head too. */
function count(base: ModelForSequenceClassification, { method, whole }: Layout): ParameterCounts {
  const ofHead = new Set(base.head.tensors.values())
  const sum = (tensors: { shape: readonly number[] }[]) => tensors.reduce((n, { shape }) => n + shape.reduce((p, d) => p * d, 1), 0)
  const sizeOf = (tensors: WholeTensor[]) => sum(tensors.map(({ tensor }) => tensor))
  const head = sizeOf(whole.filter(({ tensor }) => ofHead.has(tensor)))
  const trained = sum(method.parameters.filter(({ frozen }) => !frozen)) + sizeOf(whole)
  const copies = sizeOf(whole.filter(({ copied }) => copied))
  return { adapter: trained - head, head, all: base.parameterCount + sum(method.parameters) + copies }
}
