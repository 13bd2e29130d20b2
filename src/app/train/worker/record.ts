import { openFolder, readJson, subFolder } from '../../../io'
import { lastCheckpoint } from '../../../train/run_folder'
import type { Settings, Unfinished } from '../protocol'
import { isBusy } from './lock'
import { removeFolder, runFolder } from './storage'

/** Where a base model is found again after a reload. */
export type KeptBase =
  | { from: 'embedded' }
  | { from: 'hub'; id: string; revision?: string; endpoint?: string; localFilesOnly?: boolean }
  | { from: 'kept'; name: string }
export type KeptData = { from: 'sample' } | { from: 'kept'; name: string }

/** What must be known of a run to go on with it in another visit. */
export interface RunRecord {
  version: 1
  id: string
  base: KeptBase
  baseName: string
  data: KeptData
  settings: Settings
  /** Rows of a batch now: settings' own, or less. */
  batch: number
  totalSteps: number
  savedAt: number
  /** A run is on, or its page was closed or killed in the middle. */
  running: boolean
  finished: boolean
  smallerBatch?: number
}

const file = 'run.json'

/** The record of the last run; undefined where there is none, or none that is understood. */
export async function readRecord(): Promise<RunRecord | undefined> {
  const json = await readJson(openFolder(runFolder), file, 1 << 20).catch(() => undefined)
  return json?.version === 1 && typeof json.id === 'string' && json.base && json.data && json.settings
    ? (json as unknown as RunRecord)
    : undefined
}

export async function writeRecord(record: RunRecord): Promise<void> {
  await openFolder(runFolder).write(file, new TextEncoder().encode(`${JSON.stringify(record, null, 1)}\n`))
}

export const discardRun = (): Promise<void> => removeFolder(runFolder)

/** What to tell of a run that can be gone on with. */
export async function unfinishedRun(left: boolean): Promise<Unfinished | null> {
  const record = await readRecord()
  if (!record || (await isBusy())) return null
  const { base, baseName, data, settings, batch, totalSteps, savedAt, running, finished } = record
  const checkpoint = await lastCheckpoint(subFolder(openFolder(runFolder), 'checkpoints'))
  const killed = running && !left && batch > 1
  const smallerBatch = record.smallerBatch ?? (killed ? batch >> 1 : undefined)
  return {
    base: base.from === 'embedded' ? 'roberta-mini' : baseName,
    data: data.from === 'sample' ? 'sample' : data.name,
    settings,
    step: checkpoint === undefined ? 0 : Number(checkpoint.slice('checkpoint-'.length)),
    totalSteps,
    savedAt,
    ...(smallerBatch === undefined ? {} : { smallerBatch }),
    ...(finished ? { finished } : {}),
  }
}

/** Writes a run's record down, one change after the other. What cannot be written is told once. */
export class Keeper {
  #tail: Promise<void> = Promise.resolve()
  #told = false

  constructor(
    /** null: nothing is written. */
    public record: RunRecord | null,
    private readonly notice: (text: string) => void,
  ) {}

  save(change: Partial<RunRecord>): Promise<void> {
    if (!this.record) return Promise.resolve()
    const record = { ...this.record, ...change }
    this.record = record
    this.#tail = this.#tail
      .then(() => writeRecord(record))
      .catch((thrown: Error) => {
        if (!this.#told) this.notice(`Once this page is closed, this run may not be gone on with: ${thrown.message}`)
        this.#told = true
      })
    return this.#tail
  }
}
