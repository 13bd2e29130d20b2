import type { Dataset } from '../data'
import type { TextTokenizer } from '../models/predict'
import { type Sweep, sweep } from '../models/sweep'
import type { ResolvedArguments } from './arguments'
import type { Engine } from './engine'
import { type Example, encodeDataset, hostBatch } from './examples'
import type { Metrics } from './metrics'
import type { ProgressEvent } from './trainer_types'

interface Encoded {
  examples: Example[]
  maxLength: number
}

interface Looked extends Pick<Sweep, 'use' | 'signal'> {
  kind: 'logits' | 'features'
  examples: Example[]
  maxLength: number
}

export interface EvaluatorOptions {
  args: ResolvedArguments
  tokenizer: TextTokenizer
  notice: (text: string) => void
  progress: (event: ProgressEvent) => void
}

/** Data sets, tokenised once, and what is found by running them through a model without training. */
export class Evaluator {
  readonly #encoded = new Map<Dataset, Encoded>()

  constructor(private readonly options: EvaluatorOptions) {}

  encode(dataset: Dataset, { model }: Engine): Encoded {
    const { args, tokenizer, notice } = this.options
    const encoded = this.#encoded.get(dataset) ?? encodeDataset(dataset, tokenizer, model.base.config, args.maxLength, notice)
    this.#encoded.set(dataset, encoded)
    return encoded
  }

  /** Loss and metrics, named evalLoss, evalAccuracy, … */
  async evaluate(dataset: Dataset, engine: Engine, signal?: AbortSignal): Promise<Metrics> {
    const { computeMetrics } = await import('./metrics')
    const start = performance.now()
    const { examples, maxLength } = this.encode(dataset, engine)
    const { config } = engine.model.base
    await this.fixFeatures(examples, maxLength, engine, signal)
    const logits = new Float32Array(examples.length * config.numLabels)
    const use = (place: number, row: Float32Array) => logits.set(row, place * config.numLabels)
    await this.#sweep('evaluate', { kind: 'logits', examples, maxLength, use, signal }, engine)
    const labels = examples.map((e) => e.label)
    const seconds = (performance.now() - start) / 1000
    const named = { ...computeMetrics(logits, labels, config), runtime: seconds, samplesPerSecond: examples.length / seconds }
    return Object.fromEntries(Object.entries(named).map(([key, v]) => [`eval${key[0].toUpperCase()}${key.slice(1)}`, v]))
  }

  /** With the head alone and no dropout below it, what the head reads never changes: it is computed once. */
  async fixFeatures(examples: Example[], maxLength: number, engine: Engine, signal?: AbortSignal): Promise<void> {
    const { base, peftConfig } = engine.model
    if (peftConfig.peftType !== 'HEAD' || base.config.hiddenDropoutProb || base.config.attentionProbsDropoutProb) return
    const open = [...new Set(examples)].filter((e) => !e.features)
    const use = (place: number, row: Float32Array) => {
      open[place].features = row
    }
    await this.#sweep('features', { kind: 'features', examples: open, maxLength, use, signal }, engine)
  }

  #sweep(task: ProgressEvent['task'], { kind, examples, maxLength, use, signal }: Looked, { model, program }: Engine): Promise<void> {
    const { args, tokenizer } = this.options
    const { perDeviceEvalBatchSize: batchSize } = args
    const half = Math.max(1, batchSize >> 1)
    const advice = `try perDeviceEvalBatchSize ${half} or a smaller maxLength than ${maxLength}`
    model.device.memory.forecast = { advice, batchSize: half }
    const rows = (places: number[]) => places.map((place) => examples[place])
    return sweep({
      lengths: examples.map(({ encoding }) => encoding.ids.length),
      batchSize,
      run: (places) => program.look(kind, hostBatch(rows(places), model.base.config, tokenizer.padTokenId, maxLength)),
      use,
      progress: (done) => this.options.progress({ task, done, total: examples.length }),
      signal,
    })
  }
}
