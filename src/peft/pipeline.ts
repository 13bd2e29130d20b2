import type { Device } from '../gpu'
import { noGrad } from '../graph'
import { type Files, openSource } from '../io'
import { encoderConfig, type LabelChoice } from '../models/config'
import { readScores, type Text, type TextTokenizer, textLogits } from '../models/predict'
import { Replays, type Route } from '../models/replay'
import { ModelForSequenceClassification } from '../models/sequence_classification'
import { Pass } from '../nn/pass'
import { adapterLabels } from './labels'
import type { Prepared } from './method'
import { type LoadOptions, PeftModel } from './model'

/** A text to be classified, alone or with a second one. */
export type TextInput = string | { text: string; textPair?: string }

/** A class with its probability; of a regression `score` is the number itself. */
export interface LabelScore {
  label: string
  score: number
}

/** How a call of the pipeline answers. */
export interface ClassifyOptions {
  /** Which adapter answers; null: the base alone. Default: the one that `setAdapter` chose. */
  adapter?: string | null
  /** So many of the likeliest classes; null: all. Default 1. */
  topK?: number | null
  /** Rows that are run at once. Default 32. */
  batchSize?: number
  /** Ends it between two batches: the call rejects with the signal's reason. */
  signal?: AbortSignal
}

/** The call of a pipeline: labels of one text, of each text, or (topK other than 1) lists of labels of each text. */
export interface Classify {
  (text: TextInput, options?: ClassifyOptions): Promise<LabelScore[]>
  (texts: readonly TextInput[], options?: ClassifyOptions & { topK?: 1 }): Promise<LabelScore[]>
  (texts: readonly TextInput[], options: ClassifyOptions & { topK: number | null }): Promise<LabelScore[][]>
}

interface Loaded {
  peft: PeftModel
  prepared: Prepared
  route: Route
}

/** What `TextClassification.fromPretrained` gives: a base model, its tokenizer, and adapters by name. */
export class TextClassificationPipeline {
  readonly #loaded = new Map<string, Loaded>()
  readonly #replays = new Replays()
  readonly #alone: Route
  #active: string | null = null
  #count = 0

  /** Use `TextClassification.fromPretrained`. */
  constructor(
    /** The model below the adapters. */
    readonly base: ModelForSequenceClassification,
    private readonly tokenizer: TextTokenizer,
    private readonly notice: (text: string) => void,
    /** Of the base's head, which is no news where adapters bring their own. */
    private readonly news: string[],
  ) {
    this.#alone = { name: '', model: base, pass: () => new Pass() }
  }

  /** The base's device. */
  get device(): Device {
    return this.base.device
  }

  /** Names of the adapters, in the order in which they came. */
  get adapterNames(): string[] {
    return [...this.#loaded.keys()]
  }

  /** The adapter that answers where a call names none; null: the base alone. */
  get activeAdapter(): string | null {
    return this.#active
  }

  /** Names of the classes of an adapter, by number. */
  labels(adapter: string | null = this.#active): readonly string[] {
    return this.#route(adapter).model.config.id2label
  }

  /** What the pipeline does when it is called. */
  readonly classify: Classify = (async (input: TextInput | readonly TextInput[], options: ClassifyOptions = {}) => {
    const { adapter = this.#active, topK = 1, batchSize = 32, signal } = options
    for (const [name, value] of Object.entries({ topK: topK ?? 1, batchSize }))
      if (!(Number.isInteger(value) && value > 0)) throw new TypeError(`classify: ${name}: wanted a whole number above 0, got ${value}`)
    signal?.throwIfAborted()
    const route = this.#route(adapter)
    const { config } = route.model
    const texts = (Array.isArray(input) ? input : [input]).map(plain)
    const { tokenizer, notice } = this
    const run = this.#replays.run.bind(this.#replays, route)
    const logits = await textLogits(run, texts, { config, tokenizer, batchSize, notice, signal })
    const found = logits.map((row) => {
      const all = readScores(row, config).map((score, i): LabelScore => ({ label: config.id2label[i], score }))
      return (config.problemType === 'regression' ? all : all.sort((a, b) => b.score - a.score)).slice(0, topK ?? all.length)
    })
    return Array.isArray(input) && topK !== 1 ? found : found.flat()
  }) as Classify

  /**
   * Loads an adapter beside those that are there; the first one becomes the active one. The device's memory grows by what the adapter holds.
   * @param source its folder, its name on the hub, or its files
   * @param options `id2label` and `problemType`, where neither a file `id2label.json` nor the base knows the adapter's; `config` and
   *   what is for the hub as in `PeftModel.fromPretrained`
   * @throws Error where the name is taken, or the adapter does not fit the base
   */
  async loadAdapter(source: string | Files, adapterName: string, options: LoadOptions & LabelChoice = {}): Promise<void> {
    if (!/^[\w-]+$/.test(adapterName)) throw new Error(`adapterName: wanted letters, digits, _ and -, got ${JSON.stringify(adapterName)}`)
    this.#free(adapterName)
    const files = await openSource(source, options)
    const { id2label, numLabels, problemType, config } = options
    const labels = id2label ? { id2label } : numLabels ? { numLabels } : await adapterLabels(files)
    const model = relabelled(this.base, { ...labels, problemType })
    const peft = await PeftModel.fromPretrained(model, files, { config })
    peft.parameters.gradients.dispose() // nothing is trained
    const prepared = noGrad(() => peft.prepare())
    await this.device.sync()
    this.#free(adapterName)
    const loaded: Loaded = { peft, prepared, route: { name: `${adapterName}.${++this.#count}`, model, pass: () => pass() } }
    const pass = () => {
      if (this.#loaded.get(adapterName) !== loaded) throw new Error(`the adapter ${adapterName} was deleted`)
      return peft.pass(prepared)
    }
    this.#loaded.set(adapterName, loaded)
    if (this.#loaded.size === 1) this.#active = adapterName
  }

  /** Chooses who answers where a call names no adapter: this one; null: the base alone. Nothing is moved for it. */
  setAdapter(adapterName: string | null): void {
    this.#route(adapterName)
    this.#active = adapterName
  }

  /** Removes an adapter and gives its memory back. Where it was active, the first that is left becomes so. */
  async deleteAdapter(adapterName: string): Promise<void> {
    const found = this.#find(adapterName)
    this.#loaded.delete(adapterName)
    if (this.#active === adapterName) this.#active = this.adapterNames[0] ?? null
    await this.#replays.forget(found.route.name)
    free(found, this.base)
  }

  /** Gives all of the device's memory back that this holds, the base's too. */
  async dispose(): Promise<void> {
    const all = [...this.#loaded.values()]
    this.#loaded.clear()
    this.#active = null
    await this.#replays.forget()
    for (const each of all) free(each, this.base)
    for (const tensor of [...this.base.encoder.tensors.values(), ...this.base.head.tensors.values()]) tensor.dispose()
  }

  #free(name: string): void {
    if (this.#loaded.has(name)) throw new Error(`there is an adapter ${name} already: choose another name, or delete it first`)
  }

  #find(name: string): Loaded {
    const found = this.#loaded.get(name)
    if (!found) throw new Error(`there is no adapter ${JSON.stringify(name)}; there are ${this.adapterNames.join(', ') || 'none'}`)
    return found
  }

  #route(name: string | null): Route {
    if (name !== null) return this.#find(name).route
    for (const text of this.news.splice(0)) this.notice(text)
    return this.#alone
  }
}

const plain = (input: TextInput): Text =>
  typeof input === 'string' || input.textPair === undefined
    ? typeof input === 'string'
      ? input
      : input.text
    : [input.text, input.textPair]

/** The base under an adapter's labels; what kind of problem they are the base says only of its own. */
function relabelled(base: ModelForSequenceClassification, choice: LabelChoice): ModelForSequenceClassification {
  const { config, device, nameOrPath } = base
  const same = (choice.id2label?.length ?? choice.numLabels ?? config.numLabels) === config.numLabels
  if (same && !choice.id2label && !choice.problemType) return base
  const raw = { ...config.raw, ...(same ? { problem_type: config.problemType } : { problem_type: null }) }
  return new ModelForSequenceClassification(device, encoderConfig(raw, `${nameOrPath}/config.json`, choice), nameOrPath, base)
}

/** Gives the memory of an adapter back. */
function free({ peft, prepared: { derived, fixed = [] }, route }: Loaded, base: ModelForSequenceClassification): void {
  peft.parameters.dispose()
  for (const tensor of [...derived.map((each) => each.tensor), ...fixed]) tensor.dispose()
  if (route.model.head === base.head) return
  const { weight, bias } = route.model.head.trained[route.model.head.trained.length - 1]
  for (const tensor of [weight, bias]) tensor?.dispose()
}
