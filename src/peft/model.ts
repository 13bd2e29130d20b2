import type { Device } from '../gpu'
import { noGrad, type Tensor } from '../graph'
import { type Files, type HubOptions, openFolder, openSource, subFolder } from '../io'
import type { CallableModel } from '../models/auto'
import { callable } from '../models/auto'
import type { TokenBatch } from '../models/inputs'
import { eager, type Prediction, predictTexts, type Text, type TextTokenizer } from '../models/predict'
import type { ModelForSequenceClassification } from '../models/sequence_classification'
import type { FlatParameters } from '../nn/parameters'
import { Pass, type PassOptions } from '../nn/pass'
import { type Adapter, newAdapter, openAdapter, type ParameterCounts } from './adapter'
import { mergedWeights, writeInto } from './merge'
import type { Method, Prepared } from './method'
import type { PeftConfig, ResolvedPeftConfig } from './methods'
import { together } from './together'

/** For the hub, and for the adapter's configuration. */
export interface LoadOptions extends HubOptions {
  /** Keys that win over those of adapter_config.json, e.g. what is about training alone and not stored. */
  config?: Partial<PeftConfig>
}

/**
 * Gives a model a new adapter to train (PEFT's get_peft_model). The base model is left as it is.
 * @param options.seed for the adapter's start values. Default 42
 * @param options.adapterName default `default`
 * @throws TypeError on a bad configuration, Error where `targetModules` match nothing
 */
export async function getPeftModel(
  model: ModelForSequenceClassification,
  config: PeftConfig,
  options: { seed?: number; adapterName?: string } = {},
): Promise<CallablePeftModel> {
  return create(model, options.adapterName ?? 'default', await newAdapter(model, config, options.seed))
}

function create(base: ModelForSequenceClassification, name: string, adapter: Adapter): CallablePeftModel {
  const model = new PeftModel(base, name, adapter)
  return callable(model, (tokens: TokenBatch) => model.logits(tokens))
}

/**
 * A base model with adapters and heads of their own, as PEFT's class of this name. The base is not changed: several models
 * may share one.
 */
export class PeftModel {
  readonly #adapters: Map<string, Adapter>
  #active: string[]
  #disabled = 0
  /** What merging made of the base's weights. The base keeps its own, so that nothing has to be undone. */
  #merged: { names: string[]; weights: ReadonlyMap<Tensor, Tensor> } | null = null
  readonly #digest: string

  /** Use `getPeftModel` or `PeftModel.fromPretrained`. */
  constructor(
    /** The model below. */
    readonly base: ModelForSequenceClassification,
    name: string,
    adapter: Adapter,
  ) {
    this.#adapters = new Map([[name, adapter]])
    this.#active = [name]
    this.#digest = base.digest
  }

  /**
   * Loads an adapter onto its base model: `await PeftModel.fromPretrained(model, 'run/adapter')`.
   * @param source the adapter's folder, its name on the hub, or its files
   * @param options `adapterName` (default `default`), `config` (keys that win over the file's); for the hub: revision, token, cacheDir, localFilesOnly, …
   * @throws Error on a configuration that is not supported, missing tensors or wrong shapes, by name
   */
  static async fromPretrained(
    model: ModelForSequenceClassification,
    source: string | Files,
    options: LoadOptions & { adapterName?: string } = {},
  ): Promise<CallablePeftModel> {
    return create(model, options.adapterName ?? 'default', await openAdapter(model, await openSource(source, options), options.config))
  }

  /** The base's device. */
  get device(): Device {
    return this.base.device
  }

  /** Names of all adapters, in the order in which they came. */
  get adapterNames(): string[] {
    return [...this.#adapters.keys()]
  }

  /** The adapters that act, e.g. `['default']`. */
  get activeAdapters(): readonly string[] {
    return this.#active
  }

  /** The adapters that `mergeAdapter` merged. */
  get mergedAdapters(): readonly string[] {
    return this.#merged?.names ?? []
  }

  /** Trained tensors of the active adapter by name: those of the method, then those of the base. */
  get parameters(): FlatParameters {
    return this.#trained().parameters
  }

  /** Whether the active adapter trains a table of embeddings. */
  get trainsTables(): boolean {
    const { word, position, type } = this.base.encoder
    return [word, position, type].some((table) => this.#trained().replaced.has(table))
  }

  /** The active adapter's configuration. */
  get peftConfig(): ResolvedPeftConfig {
    return this.#trained().config
  }

  /** How the active adapter adapts. */
  get method(): Method {
    return this.#trained().method
  }

  /** Adds a new adapter beside those that are there; `setAdapter` makes it the active one. @param options.seed default 42 */
  async addAdapter(adapterName: string, config: PeftConfig, options: { seed?: number } = {}): Promise<void> {
    await this.#add(adapterName, () => newAdapter(this.base, config, options.seed))
  }

  /** Loads an adapter beside those that are there; `setAdapter` makes it the active one. @param options as fromPretrained's */
  async loadAdapter(source: string | Files, adapterName: string, options: LoadOptions = {}): Promise<void> {
    await this.#add(adapterName, async () => openAdapter(this.base, await openSource(source, options), options.config))
  }

  /**
   * Makes an adapter the active one, in no time: the base and its weights stay where they are. With several names what they
   * add to each layer is summed up, and the head is that of the first. What is merged is unmerged.
   */
  setAdapter(adapterNames: string | readonly string[]): void {
    const names = [adapterNames].flat()
    if (!names.length) throw new Error('setAdapter: wanted at least one name, got none')
    this.#checkTogether(names)
    this.unmergeAdapter()
    this.#active = [...new Set(names)]
  }

  /** Removes an adapter and gives its memory back. If it was active, the first that is left becomes so. */
  deleteAdapter(adapterName: string): void {
    const adapter = this.#named(adapterName)
    if (this.#adapters.size === 1) throw new Error(`deleteAdapter: ${adapterName} is the only adapter: keep the base instead`)
    if (this.mergedAdapters.includes(adapterName)) this.unmergeAdapter()
    this.#adapters.delete(adapterName)
    this.#active = this.#active.filter((name) => name !== adapterName)
    if (!this.#active.length) this.#active = this.adapterNames.slice(0, 1)
    adapter.dispose()
  }

  /** Runs `body` with the bare base model, its own head included; the adapters act again when what it returns is settled. */
  async disableAdapter<T>(body: () => T | Promise<T>): Promise<T> {
    this.#disabled++
    try {
      return await body()
    } finally {
      this.#disabled--
    }
  }

  /**
   * Adds ΔW to copies of the adapted weights, so that inference costs what the base costs. The base keeps its weights.
   * @param adapterNames default: those that are active
   */
  mergeAdapter(adapterNames: readonly string[] = this.#active): void {
    this.#checkBase()
    const before = this.#merged
    const names = adapterNames.filter((name) => !before?.names.includes(name))
    const all = [...(before?.names ?? []), ...names]
    this.#checkTogether(all)
    const adapters = names.map((name) => this.#named(name))
    this.#merged = { names: all, weights: mergedWeights(this.base, adapters, before?.weights) }
  }

  /** The adapters act beside the base's weights again, which are what they always were, bit for bit. */
  unmergeAdapter(): void {
    for (const weight of this.#merged?.weights.values() ?? []) weight.dispose()
    this.#merged = null
  }

  /**
   * Merges the active adapters into the base itself, head included, and gives it back: a model without adapters. This model,
   * and every other on the same base, cannot be used after that.
   */
  async mergeAndUnload(): Promise<ModelForSequenceClassification> {
    if (!this.#merged) this.mergeAdapter()
    await writeInto(this.base, this.#replaced(true))
    this.unmergeAdapter()
    for (const adapter of this.#adapters.values()) adapter.dispose()
    return this.base
  }

  /** What forward needs of the trained tensors; dispatches CondLoRA's conversion. */
  prepare(): Prepared {
    this.#checkBase()
    return together(this.#active.map((name) => this.#named(name).prepare()))
  }

  /**
   * A forward through adapters and trained head; dropout acts where `rngState` is given.
   * @throws Error while an adapter is merged
   */
  pass(prepared: Prepared, options: Pick<PassOptions, 'rngState' | 'checkpointing'> = {}): Pass {
    if (this.#merged) throw new Error(`the adapter ${this.#merged.names.join(', ')} is merged: call unmergeAdapter() before training`)
    return new Pass({ ...options, adapters: prepared.adapters, replaced: this.#replaced(false) })
  }

  /** Logits [batch, numLabels] for a batch of token ids, without dropout. */
  async logits(tokens: TokenBatch): Promise<Tensor> {
    return this.base.logits(tokens, () => noGrad(() => this.#inference()))
  }

  /** The likeliest class of each text (or pair) with its probability; the number itself where the model is a regression. */
  async predict(texts: readonly Text[], tokenizer: TextTokenizer, batchSize = 32): Promise<Prediction[]> {
    return predictTexts(
      eager((batch) => this.logits(batch)),
      texts,
      { config: this.base.config, tokenizer, batchSize },
    )
  }

  /** Counts as PEFT's: what the active adapters train; `all` has the base's own head and all adapters. */
  trainableParameters(): ParameterCounts {
    const sum = (of: (adapter: Adapter) => number, names = this.#active) => names.reduce((n, name) => n + of(this.#named(name)), 0)
    const base = this.base.parameterCount
    return {
      adapter: sum(({ counts }) => counts.adapter),
      head: sum(({ counts }) => counts.head),
      all: base + sum(({ counts }) => counts.all - base, this.adapterNames),
    }
  }

  /** Prints `trainable params: … (adapter … + head …) || all params: … || trainable%: …`. */
  printTrainableParameters(print: (line: string) => void = console.log): void {
    print(countsLine(this.trainableParameters()))
  }

  /**
   * Writes adapter_config.json and adapter_model.safetensors, with PEFT's names: the adapter `default` into the folder itself,
   * others into folders of their names.
   * @param target a folder, or its files
   * @param options `selectedAdapters` (default all); `as: 'lora'` writes any low-rank method as plain LoRA, which every PEFT
   *   program reads
   */
  async savePretrained(target: string | Files, options: { as?: 'lora'; selectedAdapters?: readonly string[] } = {}): Promise<void> {
    const { writeAdapter } = await import('./adapter_file')
    const files = typeof target === 'string' ? openFolder(target) : target
    for (const name of options.selectedAdapters ?? this.adapterNames) {
      const place = name === 'default' ? files : subFolder(files, name)
      await writeAdapter(this.#named(name), this.base, place, options)
    }
  }

  async #add(name: string, make: () => Promise<Adapter>): Promise<void> {
    const free = () => {
      if (this.#adapters.has(name)) throw new Error(`there is an adapter ${name} already: choose another name, or delete it first`)
    }
    if (!/^[\w-]+$/.test(name)) throw new Error(`adapterName: wanted letters, digits, _ and -, got ${JSON.stringify(name)}`)
    free()
    const adapter = await make()
    free()
    this.#adapters.set(name, adapter)
  }

  #named(name: string): Adapter {
    const adapter = this.#adapters.get(name)
    if (!adapter) throw new Error(`there is no adapter ${JSON.stringify(name)}; there are ${this.adapterNames.join(', ')}`)
    return adapter
  }

  #checkTogether(names: readonly string[]): void {
    const alone = names.find((name) => this.#named(name).method.replaced)
    if (alone && names.length > 1) throw new Error(`the adapter ${alone} was made by PiSSA from W0, which it changed: it acts alone`)
  }

  #trained(): Adapter {
    if (this.#active.length > 1)
      throw new Error(
        `the adapters ${this.#active.join(', ')} are active together: setAdapter one of them, as only one is trained at a time`,
      )
    return this.#named(this.#active[0])
  }

  #checkBase(): void {
    if (this.base.digest !== this.#digest) throw new Error('mergeAndUnload changed the base model since: load base and adapter again')
  }

  #inference(): Pass {
    if (this.#disabled) return new Pass()
    this.#checkBase()
    return this.#merged ? new Pass({ replaced: this.#replaced(true) }) : this.pass(this.prepare())
  }

  #replaced(merged: boolean): Map<Tensor, Tensor> {
    const all = [...this.#active].reverse().map((name) => this.#named(name).replaced)
    return new Map([...all, ...(merged && this.#merged ? [this.#merged.weights] : [])].flatMap((each) => [...each]))
  }
}

/** A PeftModel that is called as a function too: `await peft({ inputIds, attentionMask })` gives logits [B, numLabels], f32. */
export type CallablePeftModel = CallableModel<PeftModel>

/** PEFT's line, with adapter and head apart. */
export function countsLine({ adapter, head, all }: ParameterCounts): string {
  const n = (value: number) => value.toLocaleString('en-US')
  const trained = adapter + head
  return `trainable params: ${n(trained)} (adapter ${n(adapter)} + head ${n(head)}) || all params: ${n(all)} || trainable%: ${((100 * trained) / all).toFixed(4)}`
}
