// What the training page and its worker say to each other. Messages are plain data, so that the page needs no library.
import type { DoctorJson } from '../../doctor'

/** The base model: the one that the page carries, one on the hub, or files that the visitor dropped. */
export type BaseModel =
  | { from: 'embedded' }
  /** `token` for private and gated ones, `endpoint` for a mirror; neither is kept. */
  | { from: 'hub'; id: string; revision?: string; token?: string; endpoint?: string }
  | { from: 'files'; name: string; files: readonly { path: string; file: File }[] }

/** Rows to train on: the sample that the page carries, or a CSV, TSV, JSONL or parquet file. */
export type DataSource = { from: 'sample' } | { from: 'file'; file: File }

export type Method = 'head' | 'lora' | 'condlora'

/** What the visitor chooses; names as PEFT's and transformers'. */
export interface Settings {
  text: string
  /** Second text of a pair. */
  textPair?: string
  label: string
  method: Method
  r: number
  loraAlpha: number
  numTrainEpochs: number
  learningRate: number
  perDeviceTrainBatchSize: number
  /** Tokens; longer texts are cut. */
  maxLength: number
  seed: number
  /** Evaluations without gain before the run stops and the best adapter is restored; 0: never. */
  earlyStoppingPatience: number
}

export interface DeviceInfo {
  adapter: string
  software: boolean
  features: readonly string[]
}

export interface DataInfo {
  name: string
  rows: number
  columns: readonly string[]
  /** The first rows, column by name. */
  first: readonly Record<string, string>[]
}

export interface ModelInfo {
  name: string
  architecture: string
  parameters: number
  layers: number
  hiddenSize: number
  bytes: number
}

/** A run of an earlier visit whose checkpoint is in OPFS. */
export interface Unfinished {
  base: string
  data: string
  settings: Settings
  step: number
  totalSteps: number
  /** Milliseconds since 1970. */
  savedAt: number
  /** Set where memory ran out, or the page was killed in the middle of a run, perhaps for want of it: the batch size to try. */
  smallerBatch?: number
  /** The run had ended: resuming gives its best adapter back at once. */
  finished?: boolean
}

export interface Stored {
  name: string
  bytes: number
}

/** One point of the curves. */
export interface Point {
  step: number
  epoch: number
  loss?: number
  evalLoss?: number
  evalAccuracy?: number
  learningRate?: number
  samplesPerSecond?: number
}

export interface Outcome {
  why: 'done' | 'early stop' | 'stopped'
  step: number
  seconds: number
  evalAccuracy?: number
  /** Step whose adapter was restored, where early stopping or best-model tracking is on. */
  bestStep?: number
}

export interface Guess {
  labels: readonly { label: string; score: number }[]
  step: number
}

/** An adapter that is compared with others. */
export interface Compared {
  name: string
  method: string
  labels: readonly string[]
}

/** What it says, the likeliest first, and the milliseconds from the switch to it until the answer was read. */
export interface Answer {
  name: string
  labels: Guess['labels']
  ms: number
}

/** One call: `args` travel with its name, `result` comes back or an error does. */
export interface Calls {
  /** Opens the device of this worker; refused with a reason where there is no WebGPU in workers. */
  open: { args: Record<string, never>; result: DeviceInfo }
  /** The doctor's short check. */
  doctor: { args: Record<string, never>; result: { json: DoctorJson; text: string } }
  data: { args: { source: DataSource }; result: DataInfo }
  /** Reads config, tokenizer and sizes; downloads what is not in OPFS yet, with `download` events. */
  model: { args: { base: BaseModel }; result: ModelInfo }
  /** Trains on the model and the data that were chosen, from step 0; resolves when the run has ended. */
  start: { args: { settings: Settings }; result: Outcome }
  /** Goes on with the unfinished run from its checkpoint. */
  resume: { args: { perDeviceTrainBatchSize?: number }; result: Outcome }
  pause: { args: Record<string, never>; result: undefined }
  proceed: { args: Record<string, never>; result: undefined }
  /** Ends the run after the step at hand; its checkpoint is kept, the adapter can be downloaded. */
  stop: { args: Record<string, never>; result: undefined }
  predict: { args: { text: string; textPair?: string }; result: Guess }
  /** The adapter as a PEFT folder in a zip file. */
  download: { args: Record<string, never>; result: { name: string; zip: Blob } }
  /** An adapter's zip or its files, onto the chosen base model. */
  adapter: { args: { files: readonly File[] }; result: { method: string; labels: readonly string[] } }
  /** Puts an adapter beside others on the chosen base model; without files the one that is trained or loaded now, as it is. */
  addCompared: { args: { files?: readonly File[] }; result: readonly Compared[] }
  removeCompared: { args: { name: string }; result: readonly Compared[] }
  /** Asks each of them. */
  compare: { args: { text: string; textPair?: string }; result: readonly Answer[] }
  /**
   * null where there is none, or another tab is at it. `left`: the page heard itself being left (pagehide) the last time, so it was
   * not killed for want of memory.
   */
  unfinished: { args: { left?: boolean }; result: Unfinished | null }
  /** Forgets the unfinished run. */
  discard: { args: Record<string, never>; result: undefined }
  /** What of the hub and of runs lies in OPFS. */
  stored: { args: Record<string, never>; result: readonly Stored[] }
  clear: { args: Record<string, never>; result: undefined }
}

export type CallName = keyof Calls

/** What the worker tells unasked. */
export type Event =
  | { event: 'download'; file: string; done: number; total: number }
  | {
      event: 'begin'
      trained: number
      all: number
      step: number
      totalSteps: number
      /** Bytes on the GPU with the longest batch. */
      memory: number
      /** `method`'s trained parameters, memory and steps in words. */
      text: string
      labels: readonly string[]
    }
  | { event: 'point'; point: Point; secondsLeft: number | null }
  | { event: 'phase'; phase: 'compiling' | 'training' | 'evaluating' | 'paused' | 'saving'; done: number; total: number }
  | { event: 'saved'; step: number }
  | { event: 'recover'; message: string; step: number; from: string }
  | { event: 'notice'; text: string }

export type Request = { [N in CallName]: { id: number; call: N; args: Calls[N]['args'] } }[CallName]
export type Reply = { id: number; result: unknown } | { id: number; failed: { name: string; message: string } } | Event
