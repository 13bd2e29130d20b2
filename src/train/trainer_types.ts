import type { Dataset, IterableDataset } from '../data'
import type { Files } from '../io'
import type { TextTokenizer } from '../models/predict'
import type { CallablePeftModel } from '../peft'
import type { TrainingArguments } from './arguments'
import type { Metrics } from './metrics'

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
  /** What is done now besides training. */
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
  /** Seconds of training, without evaluation and checkpoints. */
  trainRuntime: number
  trainSamplesPerSecond: number
}

export interface TrainOptions {
  /** Finishes the step, writes a checkpoint (where there is an outputDir) and rejects with the signal's reason. */
  signal?: AbortSignal
  /** true: the newest whole checkpoint in outputDir (from the start where there is none); or a folder. */
  resumeFromCheckpoint?: boolean | string
}
