import type { Dataset, IterableDataset } from '../data'
import type { Files } from '../io'
import type { TextTokenizer } from '../models/predict'
import type { CallablePeftModel } from '../peft'
import type { TrainingArguments } from './arguments'
import type { BeginEvent } from './forecast'
import type { Metrics } from './metrics'

/** What a Trainer trains, on what, and how. */
export interface TrainerOptions {
  model: CallablePeftModel
  /** transformers' name for the tokenizer. */
  processingClass: TextTokenizer
  /** In memory; or streamed, which wants `maxSteps`. */
  trainDataset?: Dataset | IterableDataset
  evalDataset?: Dataset
  args?: TrainingArguments
  /** Where checkpoints go; default: the folder args.outputDir. */
  files?: Files
  /** Keeps which kernels were fastest, for each adapter, driver and version: `tuner.json`. Default: this user's cache folder. */
  cache?: Files
  /**
   * Opens a new device after the old one was lost, and gives the same model on it, as new: training goes on from the last checkpoint
   * (from the start where there is none), to the same bytes. `trainer.model` is that model then. Default: training rejects.
   */
  reopen?: () => Promise<CallablePeftModel>
  /** Hears of truncated rows and the like. Default: console.warn. */
  notice?: (text: string) => void
}

/** Every `loggingSteps` steps. */
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

/** After each step, without waiting for its numbers: for a bar that moves. */
export interface StepEvent {
  step: number
  totalSteps: number
}

/** What takes time besides training: `done` of `total` rows, or of the pipelines that were asked for so far. */
export interface ProgressEvent {
  /** What is done now besides training. */
  task: 'compile' | 'features' | 'evaluate'
  done: number
  total: number
}

/** What the start took, once the first step on a device is done. Times are a clock's: what overlaps counts once. */
export interface FirstStepEvent {
  /** Seconds since training began on this device: rows read, lists recorded, all below, and the step. */
  seconds: number
  /** How many pipelines were made, and the seconds in which any was in the compiler. */
  pipelines: number
  compileSeconds: number
  /** How many kernels were checked (`guard`; those that a cache knows are not), and the seconds that it took. */
  selfTested: number
  selfTestSeconds: number
  /** Seconds in which kernels were measured, with what was compiled and checked for it. */
  tuneSeconds: number
}

/** The device was lost and `reopen` gave another: training goes on. */
export interface RecoverEvent {
  /** Why the old device was given up. */
  error: Error
  /** Steps done when it was. */
  step: number
  /** What training goes on from: a checkpoint's folder, or the start. */
  from: string
}

/** What `trainer.on(name, listener)` hears of, by name. */
export interface TrainerEvents {
  begin: BeginEvent
  step: StepEvent
  firstStep: FirstStepEvent
  /** The run holds after this step, until `proceed`. */
  pause: StepEvent
  log: LogEvent
  evaluate: Metrics
  checkpoint: { step: number; folder: string }
  progress: ProgressEvent
  recover: RecoverEvent
}

/** What `trainer.train()` resolves to. */
export interface TrainOutput {
  globalStep: number
  /** Mean over all steps, those before a resume included. */
  trainingLoss: number
  /** Seconds of training, without evaluation and checkpoints. */
  trainRuntime: number
  trainSamplesPerSecond: number
}

/** How one call of `trainer.train()` stops and where it begins. */
export interface TrainOptions {
  /**
   * Finishes the step, writes a checkpoint (where there is an outputDir) and rejects with the signal's reason. An evaluation that it
   * interrupts is made when training goes on.
   */
  signal?: AbortSignal
  /** true: the newest whole checkpoint in outputDir (from the start where there is none); or a folder (with `files`, one inside them). */
  resumeFromCheckpoint?: boolean | string
}
