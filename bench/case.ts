import type { Batch } from './model'

/** What a row computes. Inputs follow from it alone, so that every participant gets the same. */
export type Work =
  | { kind: 'matmul'; m: number; n: number; k: number; batch: number; transposeA: boolean; transposeB: boolean; half?: boolean }
  | { kind: 'conversion'; layers: number; n: number; r: number; backward: boolean }
  | { kind: 'softmax' | 'layernorm' | 'gelu'; rows: number; columns: number }
  | { kind: 'attention'; batch: number; length: number; heads: number; d: number }
  | ({ kind: 'forward' } & Batch)
  | ({ kind: 'train'; method: Method; half?: boolean } & Batch)
  | { kind: 'roofline'; what: 'multiply-add' | 'copy'; size: number }
  | { kind: 'replay'; dispatches: number; recorded: boolean }

export type Method = 'lora' | 'condlora' | 'full'
/** Work with half floats is a kind of its own: few libraries have them. */
export type Kind = Work['kind'] | 'half matmul' | 'half train'
export type WorkOf<K extends Kind> = Extract<Work, { kind: K extends `half ${infer Plain}` ? Plain : K }>
export const kindOf = (work: Work): Kind =>
  'half' in work && work.half ? (`half ${work.kind}` as 'half matmul' | 'half train') : work.kind

/** A row of the report. */
export interface Case<W extends Work = Work> {
  group: string
  name: string
  unit: string
  better: 'higher' | 'lower'
  work: W
  /** What one call does, in unit · seconds: rate = amount / seconds. Where lower is better the unit is a time: ms or µs for each of `amount`. */
  amount: number
  /** Multiplications and additions of one call: they predict how long it will take. */
  flops: number
  /** Relative error against float64 of what `Job.read` gives; NaN or more than the limit counts as wrong. */
  error(output: Float32Array[]): number | Promise<number>
  limit: number
  /** In a process of its own: its start and its memory are measured too. */
  alone?: boolean
  /** Timed until `run` resolves, not until the device has finished. */
  untilHandedOver?: boolean
  /** Timed so often, however long that takes: the calls are short. */
  calls?: number
  /** Not of interest for libraries other than ours. */
  ownOnly?: boolean
}

/** Work made ready: inputs on the device, pipelines perhaps not yet compiled. */
export interface Job {
  /** One call; resolves when it was handed to the device, or when its result is in JavaScript (models). */
  run(): unknown
  /** The last call's result, as the case's `error` wants it. */
  read(): Promise<Float32Array[]>
  /** Which kernels its products take. */
  variant?: string
  dispose?(): void
}

export type Maker<K extends Kind> = (work: WorkOf<K>) => Job | Promise<Job>

/** A library that takes part: how it does each kind of work, and how to wait for it. */
export interface Participant {
  version: string
  jobs: { [K in Kind]?: Maker<K> }
  /** Why there are no others. */
  cannot?: { [K in Kind]?: string }
  /** Its device has half floats. */
  half?: boolean
  /** What of it is experimental here, in words. */
  experimental?: string
  /** Resolves when the device has done all that was handed to it. */
  finish(): Promise<unknown>
}

/** The participant that all others are held against. */
export const ours = 'condlora'

/** How a row is called everywhere. */
export const rowKey = ({ group, name }: { group: string; name: string }) => `${group}: ${name}`

/** max |actual − expected| / rms(expected), or the same in the 2-norm if that is larger. */
export function distance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.NaN
  let [most, sum, size] = [0, 0, 0]
  for (let i = 0; i < expected.length; i++) {
    const off = Math.abs(actual[i] - expected[i])
    if (!Number.isFinite(off)) return Number.NaN
    most = Math.max(most, off)
    sum += off * off
    size += expected[i] * expected[i]
  }
  if (size === 0) return most
  return Math.max(most / Math.sqrt(size / expected.length) / 10, Math.sqrt(sum / size))
}
