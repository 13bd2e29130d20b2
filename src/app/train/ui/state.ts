import { computed, signal } from '@preact/signals'
import type {
  Answer,
  BaseModel,
  Compared,
  DataInfo,
  DataSource,
  DeviceInfo,
  Event,
  Guess,
  ModelInfo,
  Outcome,
  Point,
  Settings,
  Stored,
  Unfinished,
} from '../protocol'
import { examples, settingsAtFirst } from './defaults'

/** Where on the page something went wrong. */
export type Place = 'worker' | 'offer' | 'model' | 'data' | 'run' | 'sentence' | 'compare' | 'adapter' | 'storage' | 'device'

/** What failed and what the visitor can do; shown where it happened. */
export interface Trouble {
  what: string
  why: string
  advice: string
}

export type Running = 'idle' | 'running' | 'paused' | 'stopping' | 'ended'
type EventOf<N extends Event['event']> = Extract<Event, { event: N }>

export const device = signal<DeviceInfo | null>(null)
/** Why the worker has no device. */
export const deviceless = signal('')
/** Why the worker is gone. */
export const died = signal('')
export const troubles = signal<Partial<Record<Place, Trouble>>>({})
export const notices = signal<readonly string[]>([])

export const base = signal<BaseModel>({ from: 'embedded' })
/** Where it is to come from; another place than `base` until something of it is chosen. */
export const baseFrom = signal<BaseModel['from']>('embedded')
export const model = signal<ModelInfo | null>(null)
export const modelBusy = signal(false)
export const downloads = signal<ReadonlyMap<string, { done: number; total: number }>>(new Map())
export const source = signal<DataSource>({ from: 'sample' })
export const sourceFrom = signal<DataSource['from']>('sample')
export const data = signal<DataInfo | null>(null)
export const dataBusy = signal(false)
export const settings = signal<Settings>(settingsAtFirst)

export const running = signal<Running>('idle')
export const begun = signal<EventOf<'begin'> | null>(null)
export const phase = signal<EventOf<'phase'> | null>(null)
export const points = signal<readonly Point[]>([])
export const step = signal(0)
export const secondsLeft = signal<number | null>(null)
export const saved = signal<number | null>(null)
export const outcome = signal<Outcome | null>(null)

export const sentence = signal(examples[0])
export const secondSentence = signal('')
export const guess = signal<Guess | null>(null)
export const adapter = signal<{ method: string; labels: readonly string[] } | null>(null)
export const compared = signal<readonly Compared[]>([])
/** What each of them said last, by name. */
export const answers = signal<ReadonlyMap<string, Answer>>(new Map())
export const unfinished = signal<Unfinished | null>(null)
/** The run of an earlier visit that went on: its model and rows may be others than those chosen on the page. */
export const resumed = signal<Pick<Unfinished, 'base' | 'data' | 'settings'> | null>(null)
export const stored = signal<readonly Stored[] | null>(null)

/** What a screen reader is told: few words, seldom. */
export const announcement = signal('')

export const busy = computed(() => running.value === 'running' || running.value === 'paused' || running.value === 'stopping')
/** The base model and the data as they were chosen; null where a choice is not made to its end. */
export const chosenModel = computed(() => (baseFrom.value === base.value.from ? model.value : null))
export const chosenData = computed(() => (sourceFrom.value === source.value.from ? data.value : null))
export const canStart = computed(
  () => !busy.value && Boolean(device.value && chosenModel.value && chosenData.value) && !modelBusy.value && !dataBusy.value,
)
/** There is a model that learns or has learnt. */
export const canTry = computed(() => Boolean(device.value && (begun.value || adapter.value)))
/** Somebody would answer a sentence. */
export const canAsk = computed(() => canTry.value || compared.value.length > 0)
export const lastOf = (key: 'loss' | 'evalLoss' | 'evalAccuracy' | 'samplesPerSecond') =>
  points.value.findLast((point) => point[key] !== undefined)?.[key]

/** The mean training loss of the last steps before each point: single batches jump. */
export function smoothed(all: readonly Point[]): (number | undefined)[] {
  const losses: number[] = []
  return all.map(({ loss }) => {
    if (loss === undefined) return undefined
    losses.push(loss)
    const last = losses.slice(-smoothedOver)
    return last.reduce((sum, each) => sum + each, 0) / last.length
  })
}
export const smoothedOver = 10

export function change(part: Partial<Settings>): void {
  settings.value = { ...settings.value, ...part }
}

export function clearTrouble(place: Place): void {
  const { [place]: _, ...rest } = troubles.value
  troubles.value = rest
}

/** The points with one more: a step's loss and its evaluation are one point. */
export function withPoint(all: readonly Point[], point: Point): readonly Point[] {
  const last = all.at(-1)
  if (!last || last.step < point.step) return [...all, point]
  const before = all.filter((p) => p.step < point.step)
  const same = all.find((p) => p.step === point.step)
  const after = all.filter((p) => p.step > point.step)
  return [...before, { ...same, ...point }, ...after]
}
