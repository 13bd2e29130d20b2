import { type Columns, type DataFile, type Dataset, loadDataset } from '../../../data'
import { peek } from '../../../data/peek'
import { blobFiles, type Files, memoryFiles, openFolder } from '../../../io'
import { Random } from '../../../ops/philox'
import type { DataInfo, DataSource, Event, Settings } from '../protocol'
import { fetched } from './base'
import type { KeptData } from './record'
import { copyFiles, runFolder } from './storage'

/** Rows that were chosen; they are read when a run begins. */
export interface Table {
  choice: DataSource | KeptData
  info: DataInfo
  file: { files: Files; path: string }
  /** The sample's own rows to evaluate on. */
  test?: { files: Files; path: string }
}

/** Rows to train on, rows held out, and their classes. */
export interface Splits {
  train: Dataset
  validation: Dataset
  classes: { id2label: string[] } | { numLabels: 1 }
}

export const rowsOf = ({ train, validation }: Splits) => ({ train: train.rows.length, validation: validation.rows.length })

type Tell = (event: Event) => void

// Accuracy to half a percent; more would hold up the training.
const mostHeldOut = 256
const shareHeldOut = 0.1

/** Looks at a file: columns, number of rows, the first of them. @throws Error naming row and column where it is broken */
export async function openTable(choice: DataSource | KeptData, tell: Tell): Promise<Table> {
  if (choice.from === 'sample') {
    const files = await sample(tell)
    const file = { files, path: 'train.jsonl' }
    return { choice, file, test: { files, path: 'test.jsonl' }, info: { name: 'spam or ham', ...shortened(await peek(file)) } }
  }
  const { name } = choice.from === 'file' ? choice.file : choice
  if (choice.from === 'file' && choice.file.size > mostBytes)
    throw new Error(
      `${name}: ${megabytes(choice.file.size)} are too many for this page, at most ${megabytes(mostBytes)}: take a part of the rows`,
    )
  const path = plainName(name)
  const files =
    choice.from === 'file' ? blobFiles('the file', [[path, choice.file]]) : { ...openFolder(`${runFolder}/data`), name: 'the file' }
  const file = { files, path }
  return { choice, file, info: { name, ...shortened(await peek(file)) } }
}

// All rows are kept, as texts and as tokens.
const mostBytes = 500e6
const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`

const plainName = (name: string) => name.replace(/[\\/:\0]+/g, '-')

const shortened = ({ first, ...rest }: Awaited<ReturnType<typeof peek>>) => ({
  ...rest,
  first: first.map((row) =>
    Object.fromEntries(Object.entries(row).map(([key, text]) => [key, text.length > 500 ? `${text.slice(0, 500)}…` : text])),
  ),
})

let emails: Promise<Files> | undefined

function sample(tell: Tell): Promise<Files> {
  const names = ['train.jsonl', 'test.jsonl']
  emails ??= Promise.all(names.map(async (file): Promise<[string, Uint8Array]> => [file, await fetched(`sample/${file}`, tell)]))
    .then((files) => memoryFiles('sample', files))
    .catch((thrown) => {
      emails = undefined
      throw thrown
    })
  return emails
}

/** Reads all rows by the chosen columns and holds some out: the sample's own, of a file a seeded tenth. */
export async function readSplits({ file, test }: Table, settings: Settings): Promise<Splits> {
  const { text, textPair, label, seed } = settings
  const columns: Columns = { text, ...(textPair ? { textPair } : {}), label }
  if (test) {
    const found = await loadDataset('auto', { train: file as DataFile, test: test as DataFile }, columns)
    const validation = { ...found.test, rows: found.test.rows.slice(0, mostHeldOut) }
    return { train: found.train, validation, classes: classesOf(found.train, label) }
  }
  const { all } = await loadDataset('auto', { all: file as DataFile }, columns)
  const count = all.rows.length
  if (count < 4) throw new Error(`${settings.label}: ${count} rows are too few to train on and to hold some out; wanted at least 4`)
  const held = new Set(
    new Random(seed, 0x9e37)
      .shuffle(Uint32Array.from({ length: count }, (_, i) => i))
      .subarray(0, Math.min(mostHeldOut, Math.max(1, Math.round(shareHeldOut * count)))),
  )
  const part = (wanted: boolean): Dataset => ({ ...all, rows: all.rows.filter((_, i) => held.has(i) === wanted) })
  return { train: part(false), validation: part(true), classes: classesOf(all, label) }
}

/** Names of the classes; numbers are their own names. Fractions make a regression. */
function classesOf({ rows, labelNames }: Dataset, column: string): Splits['classes'] {
  const values = rows.map((row) => row.label ?? 0)
  if (values.some((value) => !Number.isInteger(value))) return { numLabels: 1 }
  const needed = values.reduce((most, value) => Math.max(most, value), 0) + 1
  const names = labelNames ? [...labelNames] : Array.from({ length: Math.max(2, needed) }, (_, i) => String(i))
  const different = new Set(values).size
  if (different < 2) throw new Error(`column ${column}: all labels are ${JSON.stringify(names[values[0]])}; wanted two classes or more`)
  if (different > 100 && different > rows.length / 4)
    throw new Error(`column ${column}: ${different} different labels in ${rows.length} rows: is this the column of the labels?`)
  return { id2label: names }
}

/** Makes rows be found after a reload: a dropped file is copied. */
export async function keepTable({ choice, file, info }: Table): Promise<KeptData> {
  if (choice.from !== 'file') return choice
  await copyFiles(file.files, [file.path], openFolder(`${runFolder}/data`), () => {})
  return { from: 'kept', name: info.name }
}
