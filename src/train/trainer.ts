import { type Dataset, IterableDataset } from '../data'
import { type Files, openFolder } from '../io'
import { AdamW } from './adamw'
import { type ResolvedArguments, trainingArguments } from './arguments'
import { lastCheckpoint, readCheckpoint, type Snapshot, subFolder, type TrainerState, writeCheckpoint } from './checkpoint'
import { Emitter } from './emitter'
import { type Example, encodeDataset } from './examples'
import { computeMetrics, type Metrics } from './metrics'
import { TrainingPlan } from './plan'
import { TrainingProgram } from './program'
import { StreamPlan } from './stream_plan'
import { type Sweep, sweep } from './sweep'
import type { LogEvent, ProgressEvent, TrainerEvents, TrainerOptions, TrainOptions, TrainOutput } from './trainer_types'

// A step that was refused is noticed after this many steps or milliseconds at the latest.
const checkEvery = { steps: 10, ms: 2000 }

interface Encoded {
  examples: Example[]
  maxLength: number
}

/** transformers' Trainer for adapters: `await new Trainer({ model, processingClass, trainDataset, args }).train()`. */
export class Trainer extends Emitter<TrainerEvents> {
  readonly args: ResolvedArguments
  readonly #options: TrainerOptions
  readonly #optimizer: AdamW
  readonly #program: TrainingProgram
  readonly #encoded = new Map<Dataset, Encoded>()
  #state: TrainerState = freshState()
  #best: Snapshot | null = null
  /** When and where the last log event and the last check were; `start` moves on by what evaluation takes. */
  #clock = { start: 0, log: 0, logStep: 0, check: 0 }

  /** @throws TypeError on bad arguments */
  constructor(options: TrainerOptions) {
    super()
    this.args = trainingArguments(options.args ?? {})
    this.#options = options
    const { parameters, device } = options.model
    const { values, gradients, decayed } = parameters
    const { weightDecay, adamBeta1: beta1, adamBeta2: beta2, adamEpsilon: eps, maxGradNorm } = this.args
    const groups = [
      { values, gradients, start: 0, count: decayed, weightDecay },
      { values, gradients, start: decayed, count: values.size - decayed },
    ]
    this.#optimizer = new AdamW(
      device,
      groups.filter((g) => g.count > 0),
      { beta1, beta2, eps, maxGradNorm },
    )
    this.#program = new TrainingProgram(options.model, this.#optimizer, this.args.seed)
  }

  get model(): TrainerOptions['model'] {
    return this.#options.model
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
    const first = this.#state.globalStep
    const now = performance.now()
    this.#clock = { start: now, log: now, logStep: first, check: now }
    let stopped = false
    while (this.#state.globalStep < plan.totalSteps && !stopped) {
      await this.#step(plan)
      stopped = await this.#lookAndSave(plan, run, signal)
      signal?.throwIfAborted()
    }
    await this.#restoreBest()
    const seconds = (performance.now() - this.#clock.start) / 1000
    const steps = this.#state.globalStep - first
    return {
      globalStep: this.#state.globalStep,
      trainingLoss: this.#meanLoss(first),
      trainRuntime: seconds,
      trainSamplesPerSecond: (steps * plan.examplesPerStep) / seconds,
    }
  }

  /** Loss and metrics on a data set (default: evalDataset), named evalLoss, evalAccuracy, … */
  async evaluate(dataset = this.#options.evalDataset): Promise<Metrics> {
    if (!dataset) throw new Error('evaluate: there is no data set: give one, or evalDataset in the constructor')
    const start = performance.now()
    const { examples, maxLength } = this.#encode(dataset)
    const { config } = this.model.base
    await this.#fixFeatures(examples, maxLength)
    const logits = new Float32Array(examples.length * config.numLabels)
    await this.#sweep('evaluate', 'logits', examples, maxLength, (place, row) => logits.set(row, place * config.numLabels))
    const labels = examples.map((e) => e.label)
    const seconds = (performance.now() - start) / 1000
    const named = { ...computeMetrics(logits, labels, config), runtime: seconds, samplesPerSecond: examples.length / seconds }
    const metrics = Object.fromEntries(Object.entries(named).map(([key, v]) => [`eval${key[0].toUpperCase()}${key.slice(1)}`, v]))
    const entry = { step: this.#state.globalStep, ...metrics }
    this.#state.logHistory.push(entry)
    this.emit('evaluate', entry)
    return metrics
  }

  /** Gives the trainer's GPU memory back. The model stays. */
  dispose(): void {
    this.#program.dispose()
  }

  async #plan(): Promise<TrainingPlan> {
    const { trainDataset, model, processingClass, notice = console.warn } = this.#options
    if (!trainDataset) throw new Error('train: there is no trainDataset: give one in the constructor')
    if (trainDataset instanceof IterableDataset) return new StreamPlan(this.args, trainDataset, model, processingClass, notice)
    const { examples, maxLength } = this.#encode(trainDataset)
    const plan = new TrainingPlan(this.args, examples, maxLength)
    const half = Math.max(1, this.args.perDeviceTrainBatchSize >> 1)
    this.model.device.memory.forecast = `try perDeviceTrainBatchSize ${half} or a smaller maxLength than ${maxLength}`
    await this.#fixFeatures(plan.usedExamples(), maxLength)
    return plan
  }

  async #step(plan: TrainingPlan): Promise<void> {
    const state = this.#state
    const step = state.globalStep
    const batches = await plan.batches(step, this.model, this.#options.processingClass.padTokenId)
    await this.#program.step(batches, plan.learningRate(step), step + 1)
    state.globalStep++
    state.microSteps = this.#program.microSteps
    state.lossSteps++
  }

  /** What is due after a step: check, log, evaluate, save. True: stop early. */
  async #lookAndSave(plan: TrainingPlan, run: Files | null, signal: AbortSignal | undefined): Promise<boolean> {
    const { args } = this
    const done = this.#state.globalStep
    const last = done === plan.totalSteps
    const evaluate = plan.isDue(args.evalStrategy, args.evalSteps ?? args.loggingSteps, done)
    const save = plan.isDue(args.saveStrategy, args.saveSteps, done) || (last && args.saveStrategy !== 'no')
    const log = last || done % args.loggingSteps === 0
    const late = done % checkEvery.steps === 0 || performance.now() - this.#clock.check > checkEvery.ms
    if (log || evaluate || save || late || signal?.aborted) {
      const gradNorm = await this.#check(run)
      if (log) this.#log(plan, gradNorm)
    }
    const begun = performance.now()
    const stop = evaluate && (await this.#evaluateBest())
    if (run && (save || signal?.aborted)) await this.#save(run, plan)
    const spent = performance.now() - begun
    this.#clock.start += spent
    this.#clock.log += spent
    return stop
  }

  /** Reads losses and state; throws where a step was refused. */
  async #check(run: Files | null): Promise<number> {
    const { lossSum, gradNorm, badStep } = await this.#program.takeLosses()
    const state = this.#state
    state.lossSum += lossSum
    this.#clock.check = performance.now()
    if (!badStep && Number.isFinite(lossSum)) return gradNorm
    const good = run && (await lastCheckpoint(run))
    throw new Error(
      `train: step ${badStep || state.globalStep}: the loss or its gradient is not finite (gradient norm ${gradNorm}); that step changed nothing. ` +
        `Last good checkpoint: ${good ? `${run.name}/${good}` : 'none'}. Try a smaller learningRate than ${this.args.learningRate}`,
    )
  }

  #log(plan: TrainingPlan, gradNorm: number): void {
    const state = this.#state
    const now = performance.now()
    const stepsPerSecond = ((state.globalStep - this.#clock.logStep) / (now - this.#clock.log)) * 1000
    const learned = {
      step: state.globalStep,
      epoch: state.globalStep / plan.stepsPerEpoch,
      loss: state.lossSum / state.lossSteps,
      learningRate: plan.learningRate(state.globalStep - 1),
      gradNorm,
    }
    const event: LogEvent = {
      ...learned,
      totalSteps: plan.totalSteps,
      samplesPerSecond: stepsPerSecond * plan.examplesPerStep,
      eta: (plan.totalSteps - state.globalStep) / stepsPerSecond,
    }
    Object.assign(this.#clock, { log: now, logStep: state.globalStep })
    Object.assign(state, { lossSum: 0, lossSteps: 0 })
    state.logHistory.push(learned)
    this.emit('log', event)
  }

  /** Of the log events after step `first`, weighted by their steps. */
  #meanLoss(first: number): number {
    let [sum, at] = [0, first]
    for (const { step, loss } of this.#state.logHistory) {
      if (loss === undefined || step <= first) continue
      sum += loss * (step - at)
      at = step
    }
    return sum / Math.max(1, at - first)
  }

  /** Evaluates; keeps the best numbers. True: stop early. */
  async #evaluateBest(): Promise<boolean> {
    const metrics = await this.evaluate()
    const { metricForBestModel: name, earlyStoppingPatience, loadBestModelAtEnd } = this.args
    const value = metrics[name]
    if (value === undefined) throw new Error(`metricForBestModel: there is no ${name}; wanted one of ${Object.keys(metrics).join(', ')}`)
    const greater = this.args.greaterIsBetter ?? !name.toLowerCase().endsWith('loss')
    const { bestMetric } = this.#state
    if (bestMetric === null || (greater ? value > bestMetric : value < bestMetric)) {
      Object.assign(this.#state, { bestMetric: value, evaluationsSinceBest: 0 })
      if (loadBestModelAtEnd) this.#best = await this.model.parameters.read()
    } else this.#state.evaluationsSinceBest++
    return earlyStoppingPatience !== undefined && this.#state.evaluationsSinceBest >= earlyStoppingPatience
  }

  async #restoreBest(): Promise<void> {
    if (!this.#best) return
    for (const [name, { data }] of this.#best) this.model.parameters.get(name).write(data)
    this.#program.changed()
    await this.model.device.sync()
  }

  async #save(run: Files, plan: TrainingPlan): Promise<void> {
    const fingerprint = await plan.fingerprint(this.model)
    const folder = await writeCheckpoint(run, this.model, this.#optimizer, this.#state, fingerprint, this.#best)
    this.emit('checkpoint', { step: this.#state.globalStep, folder: `${run.name}/${folder}` })
  }

  async #resume(run: Files | null, from: true | string, plan: TrainingPlan): Promise<void> {
    const files = typeof from === 'string' ? openFolder(from) : await newest(run)
    if (!files) return
    const { state, best } = await readCheckpoint(files, this.model, this.#optimizer, await plan.fingerprint(this.model))
    this.#state = state
    this.#best = best
    this.#program.microSteps = state.microSteps
    this.#program.changed()
  }

  #runFiles(): Files | null {
    const { outputDir } = this.args
    return this.#options.files ?? (outputDir === undefined ? null : openFolder(outputDir))
  }

  #encode(dataset: Dataset): Encoded {
    const { model, notice = console.warn, processingClass } = this.#options
    const known = this.#encoded.get(dataset)
    const encoded = known ?? encodeDataset(dataset, processingClass, model.base.config, this.args.maxLength, notice)
    this.#encoded.set(dataset, encoded)
    return encoded
  }

  /** With the head alone and no dropout below it, what the head reads never changes: it is computed once. */
  async #fixFeatures(examples: Example[], maxLength: number): Promise<void> {
    const { config } = this.model.base
    if (this.model.peftConfig.peftType !== 'HEAD' || config.hiddenDropoutProb || config.attentionProbsDropoutProb) return
    const open = [...new Set(examples)].filter((e) => !e.features)
    await this.#sweep('features', 'features', open, maxLength, (place, row) => {
      open[place].features = row
    })
  }

  #sweep(task: ProgressEvent['task'], kind: Sweep['kind'], examples: Example[], maxLength: number, use: Sweep['use']): Promise<void> {
    const { padTokenId } = this.#options.processingClass
    const progress = (done: number) => this.emit('progress', { task, done, total: examples.length })
    const batchSize = this.args.perDeviceEvalBatchSize
    return sweep(this.#program, { kind, examples, batchSize, maxLength, padTokenId, config: this.model.base.config, use, progress })
  }
}

async function newest(run: Files | null): Promise<Files | undefined> {
  if (!run) throw new Error('resumeFromCheckpoint: there is no outputDir to look in: name a folder')
  const found = await lastCheckpoint(run)
  return found === undefined ? undefined : subFolder(run, found)
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
