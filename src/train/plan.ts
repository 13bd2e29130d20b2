import type { CallablePeftModel } from '../peft'
import type { ResolvedArguments } from './arguments'
import { type Example, epochOrder, type HostBatch, hostBatch } from './examples'
import { fingerprint } from './fingerprint'
import { groupByLength } from './order'
import { scheduleFactor, warmupStepsOf } from './schedule'

type Rhythm = ResolvedArguments['evalStrategy']

/** Which examples each step sees, at which learning rate, and after which steps to look and to save. */
export class TrainingPlan {
  readonly stepsPerEpoch: number
  readonly totalSteps: number
  readonly warmup: number
  readonly examplesPerStep: number
  #order: { epoch: number; rows: Uint32Array } | null = null

  constructor(
    protected readonly args: ResolvedArguments,
    readonly examples: Example[],
    readonly maxLength: number,
  ) {
    this.examplesPerStep = args.perDeviceTrainBatchSize * args.gradientAccumulationSteps
    this.stepsPerEpoch = Math.ceil(examples.length / this.examplesPerStep)
    this.totalSteps = args.maxSteps ?? Math.ceil(args.numTrainEpochs * this.stepsPerEpoch)
    this.warmup = warmupStepsOf(args, this.totalSteps)
  }

  /** Of step `step`, counted from 0. */
  learningRate(step: number): number {
    return this.args.learningRate * scheduleFactor(this.args.lrSchedulerType, step, this.warmup, this.totalSteps)
  }

  /** The examples of a step: its place in its epoch's order. The last step of an epoch may have fewer. */
  examplesOf(step: number): Example[] {
    const epoch = Math.floor(step / this.stepsPerEpoch)
    if (this.#order?.epoch !== epoch) this.#order = { epoch, rows: this.#orderOf(epoch) }
    const first = (step % this.stepsPerEpoch) * this.examplesPerStep
    return Array.from(this.#order.rows.subarray(first, first + this.examplesPerStep), (i) => this.examples[i])
  }

  #orderOf(epoch: number): Uint32Array {
    const { seed } = this.args
    const order = epochOrder(this.examples.length, seed, epoch)
    return this.args.groupByLength ? groupByLength(order, this.examples, this.examplesPerStep, seed, epoch) : order
  }

  /** Whether a step has several micro-batches. */
  get accumulates(): boolean {
    return this.args.gradientAccumulationSteps > 1 && this.examples.length > this.args.perDeviceTrainBatchSize
  }

  /** A step's micro-batches. */
  batches(step: number, model: CallablePeftModel, padTokenId: number | undefined): HostBatch[] | Promise<HostBatch[]> {
    const size = this.args.perDeviceTrainBatchSize
    const mine = this.examplesOf(step)
    return Array.from({ length: Math.ceil(mine.length / size) }, (_, i) =>
      hostBatch(mine.slice(i * size, (i + 1) * size), model.base.config, padTokenId, this.maxLength),
    )
  }

  /** Every example that some step sees. */
  usedExamples(): Example[] {
    if (this.totalSteps >= this.stepsPerEpoch) return this.examples
    return Array.from({ length: this.totalSteps }, (_, step) => this.examplesOf(step)).flat()
  }

  /** Examples among which the largest batch is to be looked for. */
  largestExamples(): Example[] {
    return this.usedExamples()
  }

  /** Whether `done` steps are a moment of this rhythm. */
  isDue(rhythm: Rhythm, every: number, done: number): boolean {
    if (rhythm === 'steps') return done % every === 0
    return rhythm === 'epoch' && (done % this.stepsPerEpoch === 0 || done === this.totalSteps)
  }

  /** What must be the same for a checkpoint to be gone on with. */
  async fingerprint(model: CallablePeftModel): Promise<Record<string, string>> {
    return fingerprint(model, this.args, this)
  }
}
