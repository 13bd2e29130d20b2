import type { Batch } from '../data'
import type { Device } from '../gpu'
import { noGrad, type Tensor } from '../graph'
import { type Files, openFolder } from '../io'
import type { CallableModel } from '../models/auto'
import type { TokenBatch } from '../models/inputs'
import { type Prediction, predictTexts, type TextTokenizer } from '../models/predict'
import type { ModelForSequenceClassification } from '../models/sequence_classification'
import { FlatParameters, type ParameterSpec } from '../nn/parameters'
import { Pass, type Replacement } from '../nn/pass'
import { writeAdapter } from './adapter_file'
import type { ResolvedPeftConfig } from './config'
import type { Method, Prepared } from './method'

/** Numbers that are trained, and all numbers of base and adapter. */
export interface ParameterCounts {
  adapter: number
  head: number
  all: number
}

/**
 * A base model with an adapter and a head of its own, as PEFT's class of this name. The base is not changed: several
 * adapters may share one.
 */
export class PeftModel {
  /** Trained tensors by name: those of the method, then those of the head. */
  readonly parameters: FlatParameters

  constructor(
    readonly base: ModelForSequenceClassification,
    readonly peftConfig: ResolvedPeftConfig,
    readonly method: Method,
    /** The method's tensors, then the head's, with their start values. */
    specs: ParameterSpec[],
  ) {
    this.parameters = new FlatParameters(base.device, specs)
  }

  get device(): Device {
    return this.base.device
  }

  /** What forward needs of the trained tensors; dispatches CondLoRA's conversion. */
  prepare(): Prepared {
    return this.method.prepare(this.parameters)
  }

  /** A forward through adapter and trained head; dropout acts where `rngState` is given. */
  pass(prepared: Prepared, rngState: Tensor | null = null): Pass {
    return new Pass({ rngState, adapters: prepared.adapters, replaced: this.#replaced() })
  }

  /** Logits [batch, numLabels] for a batch of token ids, without dropout. */
  async logits(tokens: TokenBatch): Promise<Tensor> {
    return this.base.logits(tokens, () => noGrad(() => this.pass(this.prepare())))
  }

  /** The likeliest class of each text (or pair) with its probability; the number itself where the model is a regression. */
  async predict(texts: readonly (string | readonly [string, string])[], tokenizer: TextTokenizer, batchSize = 32): Promise<Prediction[]> {
    return predictTexts((batch: Batch) => this.logits(batch), this.base.config, texts, tokenizer, batchSize)
  }

  /** Counts as PEFT's: `all` has the base's own head too. */
  trainableParameters(): ParameterCounts {
    return countParameters(this.base, this.method, this.parameters.count)
  }

  /** Prints `trainable params: … (adapter … + head …) || all params: … || trainable%: …`. */
  printTrainableParameters(print: (line: string) => void = console.log): void {
    print(countsLine(this.trainableParameters()))
  }

  /**
   * Writes adapter_config.json and adapter_model.safetensors, with PEFT's names.
   * @param target a folder, or its files
   * @param options `as: 'lora'` writes any low-rank method as plain LoRA, which every PEFT program reads
   */
  async savePretrained(target: string | Files, options: { as?: 'lora' } = {}): Promise<void> {
    await writeAdapter(this, typeof target === 'string' ? openFolder(target) : target, options)
  }

  #replaced(): Map<string, Replacement> {
    const { byName } = this.parameters
    return new Map(
      this.base.head.trained
        .filter(({ name }) => byName.has(`${name}.weight`))
        .map(({ name }) => [name, { weight: this.parameters.get(`${name}.weight`), bias: byName.get(`${name}.bias`) ?? null }]),
    )
  }
}

/** A PeftModel that is called as a function too: `await peft({ inputIds, attentionMask })` gives logits [B, numLabels], f32. */
export type CallablePeftModel = CallableModel<PeftModel>

export function countParameters(base: ModelForSequenceClassification, method: Method, trained: number): ParameterCounts {
  const adapter = method.parameters.reduce((n, { shape }) => n + shape.reduce((p, d) => p * d, 1), 0)
  return { adapter, head: trained - adapter, all: base.parameterCount + trained }
}

/** PEFT's line, with adapter and head apart. */
export function countsLine({ adapter, head, all }: ParameterCounts): string {
  const n = (value: number) => value.toLocaleString('en-US')
  const trained = adapter + head
  return `trainable params: ${n(trained)} (adapter ${n(adapter)} + head ${n(head)}) || all params: ${n(all)} || trainable%: ${((100 * trained) / all).toFixed(4)}`
}
