import type { Dataset } from '../data'
import { type Files, openFolder } from '../io'
import type { TextTokenizer } from '../models/predict'
import type { CallablePeftModel } from '../peft'
import { AdamW } from './adamw'
import { type ResolvedArguments, type TrainingArguments, trainingArguments } from './arguments'
import { lastCheckpoint, readCheckpoint, type Snapshot, sha256, subFolder, type TrainerState, writeCheckpoint } from './checkpoint'
import { Emitter } from './events'
import { byLength, type Example, encodeDataset, epochOrder, type HostBatch, hostBatch } from './examples'
import { computeMetrics, type Metrics } from './metrics'
import { TrainingProgram } from './program'
import { scheduleFactor, warmupStepsOf } from './schedule'

export interface TrainerOptions {
  model: CallablePeftModel
  /** transformers' name for the tokenizer. */
  processingClass: TextTokenizer
  trainDataset?: Dataset
  evalDataset?: Dataset
  args?: TrainingArguments
  /** Where checkpoints go; default: the folder args.outputDir. */
  files?: Files
  /** Hears of truncated rows and the like. Default: console.warn. */
  notice?: (text: string) => void
}

export interface LogEvent {
  step: number
  totalSteps: number
  epoch: number
  /** Mean over the steps since the last event. */
  loss: number
  learningRate: number
  /** Global norm before clipping, of the last step. */
  gradNorm: number
  samplesPerSecond: number
  /** Seconds left of training. */
  eta: number
}

export interface ProgressEvent {
  /** What is done now. */
  task: 'features' | 'evaluate'
  done: number
  total: number
}

export interface TrainerEvents {
  log: LogEvent
  evaluate: Metrics
  checkpoint: { step: number; folder: string }
  progress: ProgressEvent
}

export interface TrainOutput {
  globalStep: number
  trainingLoss: number
  /** Seconds of training, without evaluation. */
  trainRuntime: number
  trainSamplesPerSecond: number
}

export interface TrainOptions {
  /** Finishes the step, writes a checkpoint (where there is an outputDir) and rejects with the signal's reason. */
  signal?: AbortSignal
  /** true: the newest whole checkpoint in outputDir (from the start where there is none); or a folder. */
  resumeFromCheckpoint?: boolean | string
}

// A bad step is noticed after this many steps or milliseconds at the latest.
const checkEvery = { steps: 10, ms: 2000 }

interface Plan {
  examples: Example[]
  maxLength: number
  stepsPerEpoch: number
  totalSteps: number
  warmup: number
}

/** transformers' Trainer for adapters: `await new Trainer({ model, processingClass, trainDataset, args }).train()`. */
export class Trainer extends Emitter<TrainerEvents> {
  readonly args: ResolvedArguments
  readonly model: CallablePeftModel
  readonly #options: TrainerOptions
  readonly #optimizer: AdamW
  readonly #program: TrainingProgram
  readonly #encoded = new Map<Dataset, Promise<{ examples: Example[]; maxLength: number }>>()
  #state: TrainerState = freshState()
  #best: Snapshot | null = null
  #order: { epoch: number; rows: Uint32Array } | null = null

  /** @throws TypeError on bad arguments */
  constructor(options: TrainerOptions) {
    super()
    this.args = trainingArguments(options.args ?? {})
    this.model = options.model
    this.#options = options
    const { parameters } = options.model
    const { weightDecay, adamBeta1: beta1, adamBeta2: beta2, adamEpsilon: eps, maxGradNorm } = this.args
    const group = (start: number, end: number, decay: number) => ({
      values: parameters.values,
      gradients: parameters.gradients,
      start,
      count: end - start,
      weightDecay: decay,
    })
    const { decayed, values } = parameters
    const groups = [group(0, decayed, weightDecay), group(decayed, values.size, 0)].filter((g) => g.count > 0)
    this.#optimizer = new AdamW(options.model.device, groups, { beta1, beta2, eps, maxGradNorm })
    this.#program = new TrainingProgram(options.model, this.#optimizer, this.args.seed)
  }

  /** Numbers of log and evaluate events so far, in order. */
  get logHistory(): readonly Metrics[] {
    return this.#state.logHistory
  }

  /**
   * Trains until the last step, an early stop or the signal.
   * @throws Error where a step's loss or gradient is not finite (step, norm and last checkpoint are named)
   */
  async train({ signal, resumeFromCheckpoint }: TrainOptions = {}): Promise<TrainOutput> {
    const plan = await this.#plan()
    const run = this.#runFiles()
    if (resumeFromCheckpoint) await this.#resume(run, resumeFromCheckpoint, plan)
    const clock = {
      start: performance.now(),
      evaluating: 0,
      first: this.#state.globalStep,
      log: performance.now(),
      logStep: this.#state.globalStep,
    }
    let trainingLoss = 0
    let checked = performance.now()
    for (let step = this.#state.globalStep; step < plan.totalSteps; ) {
      const lr = this.args.learningRate * scheduleFactor(this.args.lrSchedulerType, step, plan.warmup, plan.totalSteps)
      await this.#program.step(this.#batches(plan, step), lr, step + 1)
      this.#state.globalStep = ++step
      this.#state.microSteps = this.#program.microSteps
      this.#state.lossSteps++
      const last = step === plan.totalSteps
      const due = (strategy: ResolvedArguments['evalStrategy'], every: number) =>
        strategy === 'steps' ? step % every === 0 : strategy === 'epoch' && (step % plan.stepsPerEpoch === 0 || last)
      const evaluate = due(this.args.evalStrategy, this.args.evalSteps ?? this.args.loggingSteps)
      const save =
        run !== null && (due(this.args.saveStrategy, this.args.saveSteps) || (last && this.args.saveStrategy !== 'no') || signal?.aborted)
      const log = step % this.args.loggingSteps === 0 || last
      if (log || evaluate || save || step % checkEvery.steps === 0 || performance.now() - checked > checkEvery.ms) {
        const gradNorm = await this.#check()
        checked = performance.now()
        if (log) trainingLoss += this.#log(plan, lr, gradNorm, clock)
      }
      const begun = performance.now()
      const stop = evaluate && (await this.#evaluateBest())
      clock.evaluating += performance.now() - begun
      if (save && run) await this.#save(run, plan)
      clock.log += performance.now() - begun
      if (signal?.aborted) throw signal.reason
      if (stop) break
    }
    const seconds = (performance.now() - clock.start - clock.evaluating) / 1000
    await this.#restoreBest()
    const steps = this.#state.globalStep - clock.first
    const samples = steps * this.args.perDeviceTrainBatchSize * this.args.gradientAccumulationSteps
    return {
      globalStep: this.#state.globalStep,
      trainingLoss: trainingLoss / Math.max(1, steps),
      trainRuntime: seconds,
      trainSamplesPerSecond: samples / seconds,
    }
  }

  /** Loss and metrics on a data set (default: evalDataset), named evalLoss, evalAccuracy, … */
  async evaluate(dataset = this.#options.evalDataset): Promise<Metrics> {
    if (!dataset) throw new Error('evaluate: there is no data set: give one, or evalDataset in the constructor')
    const start = performance.now()
    const { examples, maxLength } = await this.#encode(dataset)
    const { config } = this.model.base
    await this.#fixFeatures(examples, maxLength)
    const logits = new Float32Array(examples.length * config.numLabels)
    await this.#sweep('evaluate', 'logits', examples, maxLength, (place, row) => logits.set(row, place * config.numLabels))
    const metrics = computeMetrics(
      logits,
      examples.map((e) => e.label),
      config,
    )
    const seconds = (performance.now() - start) / 1000
    const named = { ...metrics, runtime: seconds, samplesPerSecond: examples.length / seconds }
    const result = Object.fromEntries(Object.entries(named).map(([key, v]) => [`eval${key[0].toUpperCase()}${key.slice(1)}`, v]))
    this.#state.logHistory.push({ step: this.#state.globalStep, ...result })
    this.emit('evaluate', { step: this.#state.globalStep, ...result })
    return result
  }

  /** Gives the trainer's GPU memory back. The model stays. */
  dispose(): void {
    this.#program.dispose()
  }

  async #plan(): Promise<Plan> {
    const { trainDataset } = this.#options
    if (!trainDataset) throw new Error('train: there is no trainDataset: give one in the constructor')
    const { examples, maxLength } = await this.#encode(trainDataset)
    const perStep = this.args.perDeviceTrainBatchSize * this.args.gradientAccumulationSteps
    const stepsPerEpoch = Math.ceil(examples.length / perStep)
    const totalSteps = this.args.maxSteps ?? Math.ceil(this.args.numTrainEpochs * stepsPerEpoch)
    this.model.device.memory.forecast = `try perDeviceTrainBatchSize ${Math.max(1, this.args.perDeviceTrainBatchSize >> 1)} or a smaller maxLength than ${maxLength}`
    const plan = { examples, maxLength, stepsPerEpoch, totalSteps, warmup: warmupStepsOf(this.args, totalSteps) }
    const used = Array.from({ length: Math.min(totalSteps, stepsPerEpoch) }, (_, step) => this.#examplesOf(plan, step)).flat()
    await this.#fixFeatures(totalSteps < stepsPerEpoch ? used : examples, maxLength)
    return plan
  }

  /** The examples of a step: its place in its epoch's order. The last step of an epoch may have fewer. */
  #examplesOf({ examples, stepsPerEpoch }: Plan, step: number): Example[] {
    const perStep = this.args.perDeviceTrainBatchSize * this.args.gradientAccumulationSteps
    const epoch = Math.floor(step / stepsPerEpoch)
    if (this.#order?.epoch !== epoch) this.#order = { epoch, rows: epochOrder(examples.length, this.args.seed, epoch) }
    const first = (step % stepsPerEpoch) * perStep
    return Array.from(this.#order.rows.subarray(first, first + perStep), (i) => examples[i])
  }

  #batches(plan: Plan, step: number): HostBatch[] {
    const { maxLength } = plan
    const { perDeviceTrainBatchSize: size } = this.args
    const mine = this.#examplesOf(plan, step)
    const { padTokenId } = this.#options.processingClass
    return Array.from({ length: Math.ceil(mine.length / size) }, (_, i) =>
      hostBatch(mine.slice(i * size, (i + 1) * size), this.model.base.config, padTokenId, maxLength),
    )
  }

  /** Reads losses and state; throws where a step was refused. */
  async #check(): Promise<number> {
    const { lossSum, gradNorm, badStep } = await this.#program.takeLosses()
    this.#state.lossSum += lossSum
    if (badStep || !Number.isFinite(lossSum)) {
      const run = this.#runFiles()
      const good = run && (await lastCheckpoint(run))
      throw new Error(
        `train: step ${badStep || this.#state.globalStep}: the loss or gradient is not finite (gradient norm ${gradNorm}); ` +
          `nothing was changed by it. Last good checkpoint: ${good ? `${run.name}/${good}` : 'none'}. Try a smaller learningRate than ${this.args.learningRate}`,
      )
    }
    return gradNorm
  }

  /** Emits a log event; returns the sum of losses that it is about. */
  #log(plan: Plan, learningRate: number, gradNorm: number, clock: { log: number; logStep: number }): number {
    const { globalStep: step, lossSum, lossSteps } = this.#state
    const seconds = (performance.now() - clock.log) / 1000
    const stepsPerSecond = (step - clock.logStep) / seconds
    const event: LogEvent = {
      step,
      totalSteps: plan.totalSteps,
      epoch: step / plan.stepsPerEpoch,
      loss: lossSum / lossSteps,
      learningRate,
      gradNorm,
      samplesPerSecond: stepsPerSecond * this.args.perDeviceTrainBatchSize * this.args.gradientAccumulationSteps,
      eta: (plan.totalSteps - step) / stepsPerSecond,
    }
    Object.assign(clock, { log: performance.now(), logStep: step })
    Object.assign(this.#state, { lossSum: 0, lossSteps: 0 })
    const { samplesPerSecond: _, eta: __, totalSteps: ___, ...kept } = event
    this.#state.logHistory.push(kept)
    this.emit('log', event)
    return lossSum
  }

  /** Evaluates; keeps the best numbers. True: stop early. */
  async #evaluateBest(): Promise<boolean> {
    const metrics = await this.evaluate()
    const { metricForBestModel: name, earlyStoppingPatience } = this.args
    const value = metrics[name]
    if (value === undefined) throw new Error(`metricForBestModel: there is no ${name}; wanted one of ${Object.keys(metrics).join(', ')}`)
    const greater = this.args.greaterIsBetter ?? !name.toLowerCase().endsWith('loss')
    const { bestMetric } = this.#state
    if (bestMetric === null || (greater ? value > bestMetric : value < bestMetric)) {
      Object.assign(this.#state, { bestMetric: value, evaluationsSinceBest: 0 })
      if (this.args.loadBestModelAtEnd) this.#best = await this.model.parameters.read()
    } else this.#state.evaluationsSinceBest++
    return earlyStoppingPatience !== undefined && this.#state.evaluationsSinceBest >= earlyStoppingPatience
  }

  async #restoreBest(): Promise<void> {
    if (!this.#best) return
    for (const [name, { data }] of this.#best) this.model.parameters.get(name).write(data)
    this.#program.changed()
    await this.model.device.sync()
  }

  async #save(run: Files, plan: Plan): Promise<void> {
    const fingerprint = await this.#fingerprint(plan)
    const folder = await writeCheckpoint(run, this.model, this.#optimizer, this.#state, fingerprint, this.#best)
    this.emit('checkpoint', { step: this.#state.globalStep, folder: `${run.name}/${folder}` })
  }

  async #resume(run: Files | null, from: boolean | string, plan: Plan): Promise<void> {
    if (from === true && !run) throw new Error('resumeFromCheckpoint: there is no outputDir to look in: name a folder')
    const found = from === true ? await lastCheckpoint(run as Files) : undefined
    if (from === true && !found) return
    const files = typeof from === 'string' ? openFolder(from) : subFolder(run as Files, found as string)
    const { state, best } = await readCheckpoint(files, this.model, this.#optimizer, await this.#fingerprint(plan))
    this.#state = state
    this.#best = best
    this.#program.microSteps = state.microSteps
    this.#program.changed()
  }

  /** What must be the same for a checkpoint to be gone on with. */
  async #fingerprint({ examples, totalSteps }: Plan): Promise<Record<string, string>> {
    const ids = Int32Array.from(examples.flatMap((e) => [...e.encoding.ids, -1 - e.label]))
    const { perDeviceTrainBatchSize, gradientAccumulationSteps, learningRate, lrSchedulerType, seed, weightDecay, maxGradNorm } = this.args
    return {
      base: `${this.model.base.parameterCount} parameters`,
      data: `${examples.length} rows, ${(await sha256(new Uint8Array(ids.buffer))).slice(0, 16)}`,
      'trained parameters': `${this.model.parameters.count}`,
      adapter: JSON.stringify({ ...this.model.peftConfig, baseModelNameOrPath: null }),
      args: JSON.stringify({
        totalSteps,
        perDeviceTrainBatchSize,
        gradientAccumulationSteps,
        learningRate,
        lrSchedulerType,
        seed,
        weightDecay,
        maxGradNorm,
      }),
    }
  }

  #runFiles(): Files | null {
    const { outputDir } = this.args
    return this.#options.files ?? (outputDir === undefined ? null : openFolder(outputDir))
  }

  #encode(dataset: Dataset): Promise<{ examples: Example[]; maxLength: number }> {
    const known = this.#encoded.get(dataset)
    if (known) return known
    const made = this.#encodeAnew(dataset)
    this.#encoded.set(dataset, made)
    return made
  }

  async #encodeAnew(dataset: Dataset): Promise<{ examples: Example[]; maxLength: number }> {
    const { model, notice = console.warn, processingClass } = this.#options
    return encodeDataset(dataset, processingClass, model.base.config, this.args.maxLength, notice)
  }

  /** With the head alone and no dropout below it, what the head reads never changes: it is computed once. */
  async #fixFeatures(examples: Iterable<Example>, maxLength: number): Promise<void> {
    const { config } = this.model.base
    if (this.model.peftConfig.peftType !== 'HEAD' || config.hiddenDropoutProb || config.attentionProbsDropoutProb) return
    const open = [...new Set(examples)].filter((e) => !e.features)
    await this.#sweep('features', 'features', open, maxLength, (place, row) => (open[place].features = row))
  }

  /** Runs all examples through the model without training, in batches of like length; two are in flight. */
  async #sweep(
    task: ProgressEvent['task'],
    kind: 'logits' | 'features',
    examples: Example[],
    maxLength: number,
    use: (place: number, row: Float32Array) => void,
  ): Promise<void> {
    const { padTokenId } = this.#options.processingClass
    let waiting: Promise<void> = Promise.resolve()
    let done = 0
    for (const { places, rows } of byLength(examples, this.args.perDeviceEvalBatchSize)) {
      const { data } = await this.#program.look(kind, hostBatch(rows, this.model.base.config, padTokenId, maxLength))
      const earlier = waiting
      waiting = data.then((all) => {
        const width = all.length / rows.length
        places.forEach((place, i) => use(place, all.slice(i * width, (i + 1) * width)))
        this.emit('progress', { task, done: (done += rows.length), total: examples.length })
      })
      waiting.catch(() => {}) // awaited below
      await earlier
    }
    await waiting
  }
}

const freshState = (): TrainerState => ({
  globalStep: 0,
  microSteps: 0,
  lossSum: 0,
  lossSteps: 0,
  bestMetric: null,
  evaluationsSinceBest: 0,
  logHistory: [],
})
