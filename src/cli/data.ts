import { existsSync, readdirSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { type DataFormat, type Dataset, loadDataset } from '../data'
import { UsageError } from './failure'
import type { dataFlags, Settings, Values } from './flags'

export type DataSettings = Values<typeof dataFlags>

const formats: Record<string, DataFormat | 'parquet'> = {
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.parquet': 'parquet',
}

/** Where the rows are, and how labels become classes. */
export interface TaskData {
  train: Dataset
  validation?: Dataset
  /** Names by number; undefined where the data has numbers. */
  labels?: string[]
  numLabels: number
}

/** Finds and reads the data that the settings name. */
export async function readTrainingData(settings: Settings): Promise<TaskData> {
  const files = dataFiles(settings)
  if (!files.train) throw new UsageError('--train: wanted a file of rows to train on, or --data FOLDER')
  const named: Record<string, string> = { train: files.train }
  if (files.validation) named.validation = files.validation
  const { train, validation } = await readSplits(named, settings)
  return { train, validation, ...classes([train, ...(validation ? [validation] : [])], settings) }
}

/** The files that hold the rows. */
export function dataFiles({ data, train, validation }: Settings): { train?: string; validation?: string } {
  return data === undefined ? { train, validation } : inFolder(data)
}

/** Reads splits of one format; class names are numbered over all of them. */
export async function readSplits(files: Record<string, string>, settings: DataSettings): Promise<Record<string, Dataset>> {
  const found = new Set(Object.values(files).map((file) => settings.format ?? formatOf(file)))
  if (found.size > 1) throw new UsageError(`--format: wanted files of one format, got ${[...found].join(' and ')}`)
  const columns = {
    text: settings.text ?? 'text',
    label: settings.label ?? 'label',
    ...(settings.textPair === undefined ? {} : { textPair: settings.textPair }),
  }
  return loadDataset([...found][0] as DataFormat, files, columns, settings.labels ? { labelNames: settings.labels } : {})
}

/** The texts alone, for a file that need not have labels. */
export async function readTexts(file: string, columns: { text?: string; textPair?: string; format: string }): Promise<Dataset> {
  const { text = 'text', textPair, format } = columns
  const { split } = await loadDataset(format as DataFormat, { split: file }, textPair === undefined ? { text } : { text, textPair })
  return split
}

export function formatOf(file: string): DataFormat | 'parquet' {
  const format = formats[extname(file).toLowerCase()]
  if (format) return format
  throw new UsageError(`--format: wanted one of ${Object.values(formats).join(', ')}, as the name of ${file} does not tell`)
}

function inFolder(folder: string): { train: string; validation?: string } {
  if (!existsSync(folder)) throw new Error(`${folder}: there is no such folder`)
  if (!statSync(folder).isDirectory()) throw new UsageError(`--data: wanted a folder, got the file ${folder}; a file is given by --train`)
  const listed = readdirSync(folder)
  const find = (...names: string[]) => listed.filter((f) => formats[extname(f)] && names.includes(f.slice(0, -extname(f).length)))
  const [train, validation] = [find('train'), find('validation', 'dev')]
  for (const several of [train, validation])
    if (several.length > 1) throw new UsageError(`--data: ${folder} holds ${several.join(' and ')}; name one by --train or --validation`)
  if (!train.length)
    throw new Error(`${folder}: there is no train.csv, train.tsv, train.jsonl or train.parquet; it holds ${listed.join(', ')}`)
  return { train: join(folder, train[0]), validation: validation[0] && join(folder, validation[0]) }
}

/** How many classes the data has; one for a regression. */
function classes(splits: Dataset[], { labels, numLabels, regression }: DataSettings): { labels?: string[]; numLabels: number } {
  const values = splits.flatMap((split) => split.rows.map((row) => row.label ?? 0))
  if (regression || values.some((v) => !Number.isInteger(v))) {
    if (numLabels !== undefined && numLabels !== 1)
      throw new UsageError(`--num-labels: the labels have fractions, which makes this a regression with 1, got ${numLabels}`)
    return { numLabels: 1 }
  }
  const names = labels ?? splits[0].labelNames
  const needed = values.reduce((most, v) => Math.max(most, v), 0) + 1
  const count = numLabels ?? names?.length ?? Math.max(2, needed)
  if (needed > count)
    throw new UsageError(`--num-labels: the data has the label ${needed - 1}, so at least ${needed} are wanted, got ${count}`)
  if (names?.length === 1) throw new Error(`the label column holds nothing but ${JSON.stringify(names[0])}; wanted two classes or more`)
  return names?.length === count ? { labels: [...names], numLabels: count } : { numLabels: count }
}
