import { AutoTokenizer } from '../data'
import type { Device } from '../gpu'
import { type Files, type HubOptions, openSource } from '../io'
import { AutoModelForSequenceClassification, callable } from '../models/auto'
import type { TextTokenizer } from '../models/predict'
import type { ModelDType } from '../models/sequence_classification'
import { type Classify, TextClassificationPipeline } from './pipeline'

/** What `TextClassification.fromPretrained` loads, and where; and what is for the hub. */
export interface TextClassificationOptions extends HubOptions {
  device: Device
  /** As `AutoModelForSequenceClassification.fromPretrained` takes it. Default `fp32`. */
  dtype?: ModelDType
  /** By name: an adapter's folder, its name on the hub, or its files. The first one is active. */
  adapters?: Record<string, string | Files>
  /** Default: the base's. */
  tokenizer?: TextTokenizer
  /** Hears what is new with the weights, and once a call of texts that were truncated. Default: console.warn */
  notice?: (text: string) => void
}

/** A pipeline that is called as a function: `await classify('a text')`. */
export type CallableTextClassification = TextClassificationPipeline & Classify

/**
 * Classifies texts, as transformers.js' pipeline of this name, by one base model and any number of adapters, each with its own head
 * and labels. The base's weights are on the device once and are never written again: another adapter is another list of dispatches
 * over the same buffers, recorded when a shape of batch is first met and replayed from then on.
 *
 *     const classify = await TextClassification.fromPretrained('FacebookAI/roberta-base', {
 *       device,
 *       adapters: { spam: 'spam/adapter', tone: 'tone/adapter' },
 *     })
 *     await classify('You won a prize!') // [{ label: 'spam', score: 0.98 }]
 *     await classify(['Well done.', 'No.'], { adapter: 'tone', topK: null })
 */
export const TextClassification = {
  /**
   * Loads a base model with its tokenizer, and adapters onto it.
   * @param source a Hugging Face folder, a name on the hub, or the files themselves
   * @throws Error as `AutoModelForSequenceClassification.fromPretrained` and `loadAdapter` do
   */
  async fromPretrained(source: string | Files, options: TextClassificationOptions): Promise<CallableTextClassification> {
    const files = await openSource(source, options)
    const tokenizer = options.tokenizer ?? (await AutoTokenizer.fromPretrained(files))
    const { adapters = {}, notice = console.warn } = options
    const news: string[] = []
    const base = await AutoModelForSequenceClassification.fromPretrained(files, { ...options, notice: (text) => void news.push(text) })
    const made = new TextClassificationPipeline(base, tokenizer, notice, news)
    // A revision is of one repository.
    for (const [name, adapter] of Object.entries(adapters)) await made.loadAdapter(adapter, name, { ...options, revision: undefined })
    return callable(made, made.classify)
  },
}
