import type { Files } from '../../../io'
import { peftConfig } from '../../../peft'
import { trainingArguments as resolveArguments } from '../../../train/arguments'
import type { Event, Settings } from '../protocol'
import { type Base, keepBase, openBase } from './base'
import { adapterConfig, partOf, trainingArguments } from './plan'
import { discardRun, Keeper, type RunRecord } from './record'
import { keepTable, openTable, readSplits, rowsOf, type Splits, type Table } from './rows'
import { checkpointFiles } from './storage'

type Tell = (event: Event) => void

/** What a run trains, on what, how, and where it is written down. */
export interface Job {
  id: string
  base: Base
  splits: Splits
  settings: Settings
  /** Rows of a batch now. */
  batch: number
  /** Its checkpoints. */
  files: Files
  keeper: Keeper
}

const notice = (tell: Tell) => (text: string) => tell({ event: 'notice', text })

/** A run from its start. What an earlier one left goes, once all is seen to be in order. */
export async function newJob(base: Base, table: Table, settings: Settings, tell: Tell): Promise<Job> {
  const splits = await readSplits(table, settings)
  const { perDeviceTrainBatchSize: batch } = settings
  resolveArguments(trainingArguments(settings, rowsOf(splits), batch))
  await peftConfig(adapterConfig(settings, base.info.name))
  const id = crypto.randomUUID()
  const record = await keep(base, table, tell).then(
    (kept): RunRecord => ({
      ...{ version: 1, id, ...kept, baseName: base.info.name, settings, batch },
      ...{ totalSteps: 0, savedAt: Date.now(), running: true, finished: false },
    }),
    (thrown: Error) => {
      tell({ event: 'notice', text: `Once this page is closed, this run cannot be gone on with: ${thrown.message}` })
      return null
    },
  )
  const keeper = new Keeper(record, notice(tell))
  await keeper.save({})
  return { id, base, splits, settings, batch, files: checkpointFiles(notice(tell)), keeper }
}

async function keep(base: Base, table: Table, tell: Tell) {
  await discardRun()
  return { base: await keepBase(base, tell), data: await keepTable(table) }
}

/** A run of an earlier visit, to go on with. */
export async function jobOf(record: RunRecord, tell: Tell): Promise<Job> {
  const { id, settings, batch } = record
  const table = await openTable(record.data, tell)
  // What was downloaded then is taken as it is: the hub may have something else by now, or be away.
  const base =
    record.base.from === 'hub'
      ? await openBase({ ...record.base, localFilesOnly: true }, tell).catch(() => openBase(record.base, tell))
      : await openBase(record.base, tell)
  const splits = await readSplits(table, settings)
  return { id, base, splits, settings, batch, files: checkpointFiles(notice(tell)), keeper: new Keeper(record, notice(tell)) }
}

/** The same run in batches of at most so many rows. */
export const inBatchesOf = (job: Job, rows: number): Job => ({ ...job, batch: partOf(job.settings.perDeviceTrainBatchSize, rows) })
