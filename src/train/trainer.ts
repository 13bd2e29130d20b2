import type { Dataset, IterableDataset } from '../data'
import { DeviceLostError } from '../gpu'
import { type Files, openFolder, subFolder } from '../io'
import type { FlatParameters } from '../nn/parameters'
import { type ResolvedArguments, trainingArguments } from './arguments'
import type { Snapshot } from './checkpoint'
import { Emitter } from './emitter'
import { Engine } from './engine'
import { Evaluator } from './evaluator'
import { describeRun, type LargestBatch, takeMemory } from './forecast'
import { Gate } from './gate'
import type { Metrics } from './metrics'
import { TrainingPlan } from './plan'
import { lastGood, type Progress, Run } from './run'
import type { Startup } from './startup'
import type { TrainerEvents, TrainerOptions, TrainOptions, TrainOutput } from './trainer_types'

/** Where a run begins: a checkpoint, trained tensors, or the model as it is. */
type Start = Files | Snapshot | null

// Two at once would add up their gradients.
const inTraining = new WeakSet<FlatParameters>()

/** transformers' Trainer for adapters: `await new Trainer({ model, processingClass, trainDataset, args }).train()`. */
export class Trainer extends Emitter<TrainerEvents> {
  readonly args: ResolvedArguments
  readonly #options: TrainerOptions
  readonly #evaluator: Evaluator
  readonly #notice: (text: string) => void
  #engine: Engine
  #progress: Progress = freshProgress()
  /** What the run at hand settled on. */
  #kernels: Record<string, string> | null = null
  #startup?: Startup
  readonly #gate = new Gate()
  #disposed = false

  /** @throws TypeError on bad arguments */
  constructor(options: TrainerOptions) {
    super()
    this.args = trainingArguments(options.args ?? {})
    this.#options = options
    this.#notice = options.notice ?? console.warn
    if (this.args.saveTotalLimit !== undefined && options.files && !options.files.remove)
      throw new TypeError(`training arguments: saveTotalLimit wants files with a remove method, ${options.files.name} has none`)
    const progress = (event: TrainerEvents['progress']) => this.emit('progress', event)
    this.#evaluator = new Evaluator({ args: this.args, tokenizer: options.processingClass, notice: this.#notice, progress })
    this.#engine = new Engine(options.model, this.args)
  }

  /** The model that is trained; another one after a lost device was replaced. */
  get model(): TrainerOptions['model'] {
    return this.#engine.model
  }

  /** Numbers of log and evaluate events so far, in order. */
  get logHistory(): readonly Metrics[] {
    return this.#progress.state.logHistory
  }

  /**
   * Trains until the last step, an early stop or the signal. Called again it begins at step 0 with the model as it is.
   * @throws OutOfMemoryError before the first step where the longest rows do not fit (a batch size that does is named);
   *   Error where a step is not finite or a tensor has no gradient; DeviceLostError unless there is `reopen`
   */
  async train({ signal, resumeFromCheckpoint = false }: TrainOptions = {}): Promise<TrainOutput> {
    const { trainDataset } = this.#options
    if (!trainDataset) throw new Error('train: there is no trainDataset: give one in the constructor')
    const claimed = new Set([this.#claim()])
    this.#kernels = null
    try {
      const files = this.#runFiles()
      let start: Start = resumeFromCheckpoint ? await this.#find(files, resumeFromCheckpoint) : null
      // Before anything is changed: what a device may be lost from before there is a checkpoint.
      if (!start && this.#options.reopen) start = await this.model.parameters.read()
      for (let reached = -1; ; ) {
        try {
          return await this.#run(trainDataset, files, start, signal)
        } catch (thrown) {
          const { state, saved } = this.#progress
          if (!(thrown instanceof DeviceLostError)) throw thrown
          // Lost again without a step of progress: the run itself may be the cause.
          if (!this.#options.reopen || state.globalStep <= reached) throw named(thrown, this.#progress)
          reached = state.globalStep
          start = saved ?? start
          this.emit('recover', { error: thrown, step: reached, from: saved?.name ?? 'the start' })
          await this.#reopen(this.#options.reopen)
          claimed.add(this.#claim())
        }
      }
    } finally {
      this.#startup?.end()
      for (const parameters of claimed) inTraining.delete(parameters)
    }
  }

  /**
   * Loss and metrics on a data set (default: evalDataset), named evalLoss, evalAccuracy, …
   * @param options.signal ends it after the batch at hand; the promise rejects with the signal's reason
   */
  async evaluate(dataset = this.#options.evalDataset, options: Pick<TrainOptions, 'signal'> = {}): Promise<Metrics> {
    const { signal } = options
    this.#assertAlive('evaluate')
    this.#engine.program.changed() // the model may have been changed by others
    signal?.throwIfAborted()
    return this.#evaluate(dataset, signal)
  }

  /**
   * Holds the run after the step (or the evaluation) at hand, with a checkpoint written where there is an outputDir: the GPU is free
   * until `proceed`. A `pause` event tells when it holds. The numbers stay the same.
   */
  pause(): void {
    this.#gate.close()
  }

  /** Goes on after `pause`. */
  proceed(): void {
    this.#gate.open()
  }

  /** Gives the trainer's GPU memory back. The model stays. */
  dispose(): void {
    this.#disposed = true
    this.#engine.dispose()
  }

  #claim(): FlatParameters {
    this.#assertAlive('train')
    const { parameters } = this.model
    if (inTraining.has(parameters)) throw new Error('train: this model is being trained already: wait for that to end')
    inTraining.add(parameters)
    return parameters
  }

  #assertAlive(what: string): void {
    if (this.#disposed) throw new Error(`${what}: this trainer was disposed: make a new one`)
  }

  async #run(
    trainDataset: Dataset | IterableDataset,
    files: Files | null,
    start: Start,
    signal: AbortSignal | undefined,
  ): Promise<TrainOutput> {
    const engine = this.#engine
    const { args } = this
    const { padTokenId } = this.#options.processingClass
    const { Startup } = await import('./startup')
    const startup = new Startup(engine.model.device, (event) => this.emit('progress', event))
    this.#startup = startup
    const plan = await this.#plan(trainDataset)
    // Loaded now, not in the middle of a run.
    if (files) await import('./checkpoint')
    this.#progress = freshProgress()
    await this.#begin(start, plan)
    await this.#evaluator.fixFeatures(plan.usedExamples(), plan.maxLength, engine, signal)
    await this.#forecast(plan, signal)
    const run = new Run({
      ...{ engine, plan, args, files, padTokenId, signal, gate: this.#gate },
      progress: this.#progress,
      evaluate: () => this.#evaluate(this.#options.evalDataset, signal),
      onStep: (event) => this.emit('step', event),
      onFirst: () => this.emit('firstStep', startup.end()),
      onPause: (event) => this.emit('pause', event),
      onLog: (event) => this.emit('log', event),
      onCheckpoint: (event) => this.emit('checkpoint', event),
      notice: this.#notice,
    })
    await run.go()
    await this.#restoreBest()
    const { seconds, samplesPerSecond } = run.pace.total()
    const { globalStep } = this.#progress.state
    return { globalStep, trainingLoss: run.meanLoss, trainRuntime: seconds, trainSamplesPerSecond: samplesPerSecond }
  }

  async #plan(dataset: Dataset | IterableDataset): Promise<TrainingPlan> {
    const { model } = this.#engine
    if (!('rows' in dataset)) {
      const { StreamPlan } = await import('./stream_plan')
      return new StreamPlan(this.args, dataset, model, this.#options.processingClass, this.#notice)
    }
    const { examples, maxLength } = this.#evaluator.encode(dataset, this.#engine)
    return new TrainingPlan(this.args, examples, maxLength)
  }

  async #begin(start: Start, plan: TrainingPlan): Promise<void> {
    const { model, program } = this.#engine
    this.#engine.reset()
    if (start && 'read' in start) {
      this.#progress.saved = start
      const { readCheckpoint } = await import('./checkpoint')
      const { state, best } = await readCheckpoint(start, this.#engine, await plan.fingerprint(model), this.#notice)
      this.#progress = { state, best, saved: start }
      this.#kernels = state.kernels
      program.microSteps = state.microSteps
      program.setLossSum(state.lossSum)
    } else if (start) for (const [name, { data }] of start) model.parameters.get(name).write(data)
  }

  /** Takes the memory of the largest batches and tells what is going to happen. */
  async #forecast(plan: TrainingPlan, signal: AbortSignal | undefined): Promise<void> {
    const { perDeviceTrainBatchSize: size, perDeviceEvalBatchSize, evalStrategy } = this.args
    const { maxLength } = plan
    const examples = plan.largestExamples()
    const kinds: LargestBatch['kinds'] = plan.accumulates ? ['first', 'more'] : ['first']
    const batches: LargestBatch[] = [{ kinds, argument: 'perDeviceTrainBatchSize', size, examples, maxLength }]
    const { evalDataset } = this.#options
    if (evalStrategy !== 'no' && evalDataset) {
      const evaluated = this.#evaluator.encode(evalDataset, this.#engine)
      await this.#evaluator.fixFeatures(evaluated.examples, evaluated.maxLength, this.#engine, signal)
      batches.push({ kinds: ['logits'], argument: 'perDeviceEvalBatchSize', size: perDeviceEvalBatchSize, ...evaluated })
    }
    const record = () => takeMemory(this.#engine, this.#options.processingClass.padTokenId, batches)
    const kernels = await this.#chooseKernels(plan, record)
    const memory = await record()
    const half = Math.max(1, size >> 1)
    const advice = `try perDeviceTrainBatchSize ${half} or a smaller maxLength than ${maxLength}`
    this.model.device.memory.forecast = { advice, batchSize: half }
    const { totalSteps, examplesPerStep } = plan
    const { globalStep: step } = this.#progress.state
    const event = { trained: this.model.trainableParameters(), step, totalSteps, examplesPerStep, memory, kernels }
    this.emit('begin', { ...event, text: describeRun(event) })
  }

  /** Which kernels the run's products take: as its checkpoint says, else as it is told, else as is measured now. */
  async #chooseKernels({ totalSteps }: TrainingPlan, record: () => Promise<unknown>): Promise<Record<string, string>> {
    const { program, model } = this.#engine
    const { tune, kernels } = this.args
    const { state } = this.#progress
    const told = this.#kernels ?? kernels
    const measure = !told && (tune ?? !model.device.software)
    if (!measure && !Object.keys(told ?? {}).length) program.choose(null)
    else {
      const tuning = await import('./tuning')
      const budget = tuning.budgetOf(totalSteps - state.globalStep, tune === true)
      const options = { record, budget, cache: this.#options.cache, startup: this.#startup, notice: tune && this.#notice }
      state.kernels = told ?? (await tuning.tune(program, options))
      program.choose(tuning.chooserOf(state.kernels))
    }
    // A device that is lost, and the step that follows, change nothing of it.
    this.#kernels = state.kernels
    return state.kernels
  }

  async #evaluate(dataset: Dataset | undefined, signal?: AbortSignal): Promise<Metrics> {
    if (!dataset) throw new Error('evaluate: there is no data set: give one, or evalDataset in the constructor')
    const metrics = await this.#evaluator.evaluate(dataset, this.#engine, signal)
    const { state } = this.#progress
    const entry = { step: state.globalStep, ...metrics }
    state.logHistory.push(entry)
    this.emit('evaluate', entry)
    return metrics
  }

  async #restoreBest(): Promise<void> {
    const { model, program } = this.#engine
    for (const [name, { data }] of this.#progress.best ?? []) model.parameters.get(name).write(data)
    program.changed()
    await model.device.sync()
  }

  async #reopen(reopen: NonNullable<TrainerOptions['reopen']>): Promise<void> {
    const lost = this.#engine
    const model = await reopen()
    if (model.device === lost.model.device) throw new Error('reopen: wanted a model on a new device, got one on the device that was lost')
    this.#engine = new Engine(model, this.args)
    lost.dispose()
  }

  async #find(run: Files | null, from: true | string): Promise<Files | null> {
    const { files } = this.#options
    const { lastCheckpoint } = await import('./checkpoint')
    if (typeof from === 'string') return files ? subFolder(files, from) : openFolder(from)
    if (!run) throw new Error('resumeFromCheckpoint: there is no outputDir to look in: name a folder')
    const found = await lastCheckpoint(run)
    return found === undefined ? null : subFolder(run, found)
  }

  #runFiles(): Files | null {
    const { outputDir } = this.args
    return this.#options.files ?? (outputDir === undefined ? null : openFolder(outputDir))
  }
}

/** The same error with the checkpoint to go on from. */
function named(error: DeviceLostError, progress: Progress): DeviceLostError {
  error.message = `train: ${error.message} ${lastGood(progress)}.`
  return error
}

const freshProgress = (): Progress => ({
  state: {
    globalStep: 0,
    microSteps: 0,
    lossSum: 0,
    lossSteps: 0,
    bestMetric: null,
    bestStep: null,
    evaluationsSinceBest: 0,
    evaluationDue: false,
    kernels: {},
    logHistory: [],
  },
  best: null,
  saved: null,
})
