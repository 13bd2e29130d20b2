import { DeviceLostError } from '../gpu'
import { type Files, subFolder } from '../io'
import type { ResolvedArguments } from './arguments'
import type { Snapshot } from './checkpoint'
import type { Engine } from './engine'
import type { Gate } from './gate'
import { StepError, zeroGradients } from './health'
import type { Metrics } from './metrics'
import { Pace } from './pace'
import type { TrainingPlan } from './plan'
import type { TrainerState } from './run_folder'
import type { LogEvent, StepEvent } from './trainer_types'

// A step that was refused is noticed after this many steps or milliseconds at the latest.
const checkEvery = { steps: 10, ms: 2000 }

/** How far a run has come. */
export interface Progress {
  state: TrainerState
  /** The trained tensors that were best so far. */
  best: Snapshot | null
  /** The checkpoint to go on from. */
  saved: Files | null
}

export interface RunOptions {
  engine: Engine
  plan: TrainingPlan
  args: ResolvedArguments
  progress: Progress
  /** Where checkpoints go. */
  files: Files | null
  padTokenId: number | undefined
  signal: AbortSignal | undefined
  /** Where it waits between two steps while that is closed. */
  gate: Gate
  evaluate: () => Promise<Metrics>
  onStep: (event: StepEvent) => void
  /** The first step is done, not only handed to the device. */
  onFirst: () => void
  onPause: (event: StepEvent) => void
  onLog: (event: LogEvent) => void
  onCheckpoint: (event: { step: number; folder: string }) => void
  notice: (text: string) => void
}

/** Steps on one device, from where the progress stands to the last step, an early stop, the signal or an error. */
export class Run {
  readonly first: number
  readonly pace: Pace
  readonly #state: TrainerState
  #lastCheck = performance.now()
  /** Updates with a learning rate above 0, those that loss scaling left out taken back when that is known. */
  #updates = 0
  /** Steps that were done when a checkpoint was last written or read. */
  #savedStep: number

  constructor(private readonly options: RunOptions) {
    this.#state = options.progress.state
    this.first = this.#state.globalStep
    this.#savedStep = this.first
    this.pace = new Pace(this.first)
  }

  async go(): Promise<void> {
    const { plan, signal } = this.options
    signal?.throwIfAborted()
    if (this.#state.evaluationDue) await this.#evaluateDue()
    while (this.#state.globalStep < plan.totalSteps && !this.#isExhausted()) {
      signal?.throwIfAborted()
      if (this.options.gate.closed) await this.#hold()
      signal?.throwIfAborted()
      await this.#step()
      await this.#lookAndSave()
    }
    signal?.throwIfAborted()
  }

  /** Of all log events, weighted by their steps; those before a checkpoint that was gone on from count too. */
  get meanLoss(): number {
    let [sum, at] = [0, 0]
    for (const { step, loss } of this.#state.logHistory) {
      if (loss === undefined) continue
      sum += loss * (step - at)
      at = step
    }
    return sum / Math.max(1, at)
  }

  async #step(): Promise<void> {
    const { plan, engine, padTokenId } = this.options
    const step = this.#state.globalStep
    const batches = await plan.batches(step, engine.model, padTokenId)
    const learningRate = plan.learningRate(step)
    await engine.program.step(batches, learningRate, step + 1)
    this.#state.globalStep++
    this.#state.microSteps = engine.program.microSteps
    this.#state.lossSteps++
    this.pace.count(batches.reduce((n, b) => n + b.size, 0))
    if (learningRate > 0) this.#updates++
    this.options.onStep({ step: step + 1, totalSteps: plan.totalSteps })
  }

  /** What is due after a step: check, log, evaluate, save. */
  async #lookAndSave(): Promise<void> {
    const { args, plan, files, signal } = this.options
    const done = this.#state.globalStep
    const first = done === this.first + 1
    const last = done === plan.totalSteps
    const evaluate = plan.isDue(args.evalStrategy, args.evalSteps ?? args.loggingSteps, done)
    const save = plan.isDue(args.saveStrategy, args.saveSteps, done) || (last && args.saveStrategy !== 'no')
    const log = last || done % args.loggingSteps === 0
    const second = this.#updates === 2 && plan.learningRate(done - 1) > 0
    const late = done % checkEvery.steps === 0 || performance.now() - this.#lastCheck > checkEvery.ms
    if (first || log || evaluate || save || second || late || signal?.aborted) {
      const gradNorm = await this.#check()
      if (first) this.options.onFirst()
      if (log) this.#log(gradNorm)
    }
    const begun = performance.now()
    if (second && this.#updates === 2) await this.#checkGradients()
    if (evaluate) await this.#evaluateDue()
    if (files && (save || signal?.aborted)) await this.#save(files)
    this.pace.skip(performance.now() - begun)
  }

  /** Saves, so that nothing is lost whatever becomes of the pause, and waits with the device at rest. */
  async #hold(): Promise<void> {
    const { files, gate, signal, plan, onPause } = this.options
    const begun = performance.now()
    const step = this.#state.globalStep
    await this.#check()
    if (files && step > this.#savedStep) await this.#save(files)
    onPause({ step, totalSteps: plan.totalSteps })
    await gate.passed(signal)
    this.pace.skip(performance.now() - begun)
  }

  /** Reads losses and state; throws where a step was refused. */
  async #check(): Promise<number> {
    const { lossSum, gradNorm, badStep, leftOut } = await this.options.engine.program.readLosses()
    this.#state.lossSum = lossSum
    this.#lastCheck = performance.now()
    if (badStep || !Number.isFinite(lossSum)) throw await this.#refused(badStep || this.#state.globalStep)
    this.#countLeftOut(leftOut)
    return gradNorm
  }

  #countLeftOut(all: number): void {
    const state = this.#state
    const now = all - (state.leftOut ?? 0)
    if (!now) return
    state.leftOut = all
    this.#updates -= now
    this.options.notice(
      `train: step ${state.globalStep}: gradients were not finite ${now} times: these steps changed nothing, the loss scale fell`,
    )
  }

  /** Nothing has changed since that step, so its batch gives the same numbers again: they are looked at only now. */
  async #refused(number: number): Promise<Error> {
    const { plan, engine, padTokenId, progress, args } = this.options
    const state = this.#state
    while (state.globalStep >= number) state.microSteps -= (await plan.batches(--state.globalStep, engine.model, padTokenId)).length
    engine.program.microSteps = state.microSteps
    engine.program.setLossSum(0)
    engine.optimizer.scale?.write([1, 0, 0, 0, 0])
    await engine.program.step(await plan.batches(number - 1, engine.model, padTokenId), 0, number)
    const { lossSum } = await engine.program.readLosses()
    const { describeBadStep } = await import('./bad_step')
    const { gradNorm, tensor } = await describeBadStep(engine.model)
    return new StepError(
      `train: step ${number}: loss ${lossSum} and gradient norm ${gradNorm} are not finite in float32; first bad tensor: ${tensor}. ` +
        `The step changed nothing. ${lastGood(progress)}. Try a smaller learningRate than ${args.learningRate}` +
        (engine.optimizer.scale ? ', or dtype "fp32": half floats end at 65504' : ''),
    )
  }

  /** Two updates after the start everything that is trained must feel the loss: LoRA's A does as soon as B is not zero. */
  async #checkGradients(): Promise<void> {
    const { engine, args, notice } = this.options
    const zero = await zeroGradients(engine.model)
    if (!zero.length) return
    const text = `train: step ${this.#state.globalStep}: wanted a gradient in every trained tensor, got exactly zero in all of ${zero.join(', ')}`
    if (!args.allowZeroGrad)
      throw new StepError(
        `${text}: nothing trains them. Leave them out (targetModules), or the device computes wrongly; allowZeroGrad: true goes on all the same`,
      )
    notice(text)
  }

  #log(gradNorm: number): void {
    const { plan, engine, onLog } = this.options
    const state = this.#state
    const step = state.globalStep
    const { stepsPerSecond, samplesPerSecond } = this.pace.lap(step)
    const epoch = step / plan.stepsPerEpoch
    const learned = { step, epoch, loss: state.lossSum / state.lossSteps, learningRate: plan.learningRate(step - 1), gradNorm }
    Object.assign(state, { lossSum: 0, lossSteps: 0 })
    engine.program.setLossSum(0)
    state.logHistory.push(learned)
    onLog({ ...learned, totalSteps: plan.totalSteps, samplesPerSecond, eta: (plan.totalSteps - step) / stepsPerSecond })
  }

  /** Evaluates, unless the signal wants an end first: then it is left for later. */
  async #evaluateDue(): Promise<void> {
    const { signal } = this.options
    this.#state.evaluationDue = true
    if (signal?.aborted) return
    try {
      await this.#evaluateBest()
      this.#state.evaluationDue = false
    } catch (thrown) {
      if (!signal?.aborted) throw thrown
    }
  }

  /** Keeps the best numbers. */
  async #evaluateBest(): Promise<void> {
    const { evaluate, args, engine, progress } = this.options
    const metrics = await evaluate()
    const { metricForBestModel: name, loadBestModelAtEnd } = args
    const value = metrics[name]
    if (value === undefined) throw new Error(`metricForBestModel: there is no ${name}; wanted one of ${Object.keys(metrics).join(', ')}`)
    const greater = args.greaterIsBetter ?? !name.toLowerCase().endsWith('loss')
    const { bestMetric, globalStep } = this.#state
    // NaN (a correlation of constants) is never better.
    const better = bestMetric === null ? !Number.isNaN(value) : greater ? value > bestMetric : value < bestMetric
    if (!better) this.#state.evaluationsSinceBest++
    else {
      if (loadBestModelAtEnd) progress.best = await engine.model.parameters.read()
      Object.assign(this.#state, { bestMetric: value, bestStep: globalStep, evaluationsSinceBest: 0 })
    }
  }

  #isExhausted(): boolean {
    const { earlyStoppingPatience } = this.options.args
    return earlyStoppingPatience !== undefined && this.#state.evaluationsSinceBest >= earlyStoppingPatience
  }

  async #save(files: Files): Promise<void> {
    const { engine, plan, args, progress, notice, onCheckpoint } = this.options
    const { globalStep, bestStep } = this.#state
    const { prune, writeCheckpoint } = await import('./checkpoint')
    const fingerprint = await plan.fingerprint(engine.model)
    const folder = await writeCheckpoint(files, engine, this.#state, fingerprint, progress.best).catch((thrown: Error) => {
      if (thrown instanceof DeviceLostError) throw thrown
      throw new Error(
        `train: the checkpoint of step ${globalStep} was not written: ${thrown.message}. ${lastGood(progress)}: go on from there with resumeFromCheckpoint`,
        { cause: thrown },
      )
    })
    progress.saved = subFolder(files, folder)
    this.#savedStep = globalStep
    await prune(files, globalStep, bestStep, args.saveTotalLimit).catch((thrown: Error) =>
      notice(`old checkpoints stay: ${thrown.message}`),
    )
    onCheckpoint({ step: globalStep, folder: progress.saved.name })
  }
}

export const lastGood = ({ saved }: Progress) => `Last good checkpoint: ${saved?.name ?? 'none'}`
