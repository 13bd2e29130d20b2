import type { IterableDataset, Row } from '../data'
import { longestRow } from '../models/inputs'
import type { TextTokenizer } from '../models/predict'
import type { CallablePeftModel } from '../peft'
import type { ResolvedArguments } from './arguments'
import { type Example, encodeRow, type HostBatch, hostBatch } from './examples'
import { TrainingPlan } from './plan'

/**
 * The plan of a data set that is read as it is used. Its rows come in the order of the data set, pass after pass; a
 * resumed run reads up to its step without tokenising, and so sees the same batches.
 */
export class StreamPlan extends TrainingPlan {
  /** How long a pass is, nobody knows: the run counts as one, as in transformers. */
  override readonly stepsPerEpoch: number
  #steps: AsyncGenerator<StreamStep> | undefined
  #next = 0

  constructor(
    args: ResolvedArguments,
    private readonly dataset: IterableDataset,
    model: CallablePeftModel,
    private readonly tokenizer: TextTokenizer,
    private readonly notice: (text: string) => void,
  ) {
    if (args.maxSteps === undefined)
      throw new Error('train: a data set that is streamed has no known length: give maxSteps instead of numTrainEpochs')
    super(args, [], Math.min(args.maxLength ?? Number.POSITIVE_INFINITY, longestRow(model.base.config, tokenizer)))
    this.stepsPerEpoch = this.totalSteps
  }

  override async batches(step: number, model: CallablePeftModel, padTokenId: number | undefined): Promise<HostBatch[]> {
    const { config } = model.base
    const { rows, first } = await this.#rowsOf(step)
    const examples = rows.map((row, i) => encodeRow(row, first + i, this.tokenizer, config, this.maxLength))
    if (examples.some((e) => e.encoding.truncated)) this.#warn()
    const size = this.args.perDeviceTrainBatchSize
    return Array.from({ length: Math.ceil(examples.length / size) }, (_, i) =>
      hostBatch(examples.slice(i * size, (i + 1) * size), config, padTokenId, this.maxLength),
    )
  }

  override async fingerprint(model: CallablePeftModel): Promise<Record<string, string>> {
    return { ...(await super.fingerprint(model)), data: `streamed, ${await this.dataset.fingerprint()}` }
  }

  override get accumulates(): boolean {
    return this.args.gradientAccumulationSteps > 1
  }

  /** Nobody knows the longest row: the forecast takes rows as long as they may be. */
  override largestExamples(): Example[] {
    const ids = new Array<number>(this.maxLength).fill(this.tokenizer.padTokenId ?? 0)
    const encoding = { ids, typeIds: ids.map(() => 0), mask: ids.map(() => 1), truncated: false }
    return Array.from({ length: this.args.perDeviceTrainBatchSize }, () => ({ encoding, label: 0 }))
  }

  #warned = false
  #warn(): void {
    if (!this.#warned) this.notice(`rows of more than ${this.maxLength} tokens are truncated`)
    this.#warned = true
  }

  /** The rows of a step, and the place of the first in its pass. */
  async #rowsOf(step: number): Promise<StreamStep> {
    if (!this.#steps || step < this.#next) {
      await this.#steps?.return(undefined)
      this.#steps = passes(this.dataset, this.examplesPerStep)
      this.#next = 0
    }
    for (;;) {
      const found = await this.#steps.next()
      if (this.#next++ === step) return found.value
    }
  }
}

interface StreamStep {
  rows: Row[]
  first: number
}

/** Pass after pass in steps of `size` rows; the last of a pass may have fewer, as the in-memory plan has it. */
async function* passes(dataset: IterableDataset, size: number): AsyncGenerator<StreamStep, never> {
  for (let epoch = 0; ; epoch++) {
    let first = 0
    let rows: Row[] = []
    for await (const row of dataset.stream(epoch)) {
      if (rows.push(row) < size) continue
      yield { rows, first }
      first += rows.length
      rows = []
    }
    if (rows.length) yield { rows, first }
    else if (!first) throw new Error('train: the data set has no rows')
  }
}
