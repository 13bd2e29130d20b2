import {
  type DataFile,
  type DataFormat,
  type Dataset,
  type GlueName,
  glueTasks,
  type IterableDataset,
  loadDataset,
  paperSplit,
  type Row,
} from '../data'
import { ColumnError } from '../data/rows'
import { type Classes, classes, findLabels } from './classes'
import { dataFiles, fileName, formatOf, openData } from './data_files'
import { UsageError } from './failure'
import { type DataSettings, kebab, type Settings } from './flags'

/** Rows to train on and to evaluate on, and their classes. */
export interface TaskData extends Classes {
  train: Dataset | IterableDataset
  validation?: Dataset
  /** With the split `paper`. */
  test?: Dataset
}

/** Finds and reads the data that the settings name. */
export async function readTrainingData(settings: Settings, say: (text: string) => void): Promise<TaskData> {
  if (settings.task) {
    const splits = await readGlue(settings.task, settings, say)
    const validation = splits[validationOf(settings.task, splits)]
    const test = settings.split === 'paper' ? { test: splits.test } : {}
    return { train: splits.train, validation, ...test, ...glueClasses(settings.task) }
  }
  const files = await dataFiles(settings)
  if (!files.train) throw new UsageError('--train: wanted a file of rows to train on, or --data FOLDER')
  const named = { train: files.train, ...(files.validation ? { validation: files.validation } : {}) }
  if (settings.streaming) return streamed(named, settings)
  const { train, validation } = await readSplits(named, settings)
  const found = classes(findLabels(validation ? [train, validation] : [train]), settings)
  return settings.split === 'paper' ? { ...paperSplit(train), test: validation, ...found } : { train, validation, ...found }
}

/** Class names and number of a run: a task has its own. */
export function glueClasses(task: GlueName): Classes {
  const { labelNames, numLabels } = glueTasks[task]
  return labelNames ? { labels: [...labelNames], numLabels } : { numLabels }
}

/** Labelled rows to evaluate on: those of a file, of a split of the run's task, or the run's own; with their name. */
export async function readEvaluationData(
  { data, on }: { data?: string; on?: string },
  settings: Settings,
  say: (text: string) => void,
): Promise<{ name: string; rows: Dataset }> {
  if (data !== undefined && on !== undefined) throw new UsageError('--on: names rows of the task, --data others; give one of them')
  if (data === undefined && settings.task) return readGlueSplit(settings.task, on, settings, say)
  if (data === undefined && settings.split === 'paper') return readPaperSplit(on, settings, say)
  if (on !== undefined)
    throw new UsageError('--on: names a split of a GLUE task or of --split paper, and this run has neither; rows are given by --data FILE')
  const files = data === undefined ? (await dataFiles(settings)).validation : [data]
  if (!files) throw new UsageError('--data: is missing: the file of rows to evaluate on')
  const { split } = await readSplits({ split: files }, settings)
  return { name: files.map(fileName).join(', '), rows: split }
}

/** The texts alone, for a file that need not have labels. */
export async function readTexts(file: string, columns: { text?: string; textPair?: string }): Promise<Dataset> {
  const { text = 'text', textPair } = columns
  const wanted = textPair === undefined ? { text } : { text, textPair }
  const { split } = await loadDataset(formatOf(file), { split: file }, wanted).catch(columnHint(wanted))
  return split
}

async function readGlueSplit(task: GlueName, on: string | undefined, settings: Settings, say: (text: string) => void) {
  const splits = await readGlue(task, settings, say)
  const name = on ?? validationOf(task, splits)
  const rows = splits[name]
  if (!rows) throw new UsageError(`--on: wanted one of ${Object.keys(splits).join(', ')}, got ${name}`)
  if (rows.rows.every((row) => row.label === undefined)) throw new UsageError(`--on: the split ${name} of ${task} has no labels`)
  return { name: `${task} ${name}`, rows }
}

/** Rows of a run whose own training rows were split. */
async function readPaperSplit(on: string | undefined, settings: Settings, say: (text: string) => void) {
  const { train, validation, test } = await readTrainingData(settings, say)
  const splits: Record<string, TaskData['train'] | undefined> = { train, validation, test }
  const name = on ?? 'validation'
  const rows = splits[name]
  if (!rows || !('rows' in rows)) throw new UsageError(`--on: wanted one of train, validation${test ? ', test' : ''}, got ${name}`)
  return { name, rows }
}

/** MNLI has two official ones, of which the first counts. */
const validationOf = (task: GlueName, splits: object) => ('validation' in splits ? 'validation' : glueTasks[task].validation[0])

async function readGlue(task: GlueName, { data, split }: Settings, notice: (text: string) => void): Promise<Record<string, Dataset>> {
  const files = await openData(data ?? 'nyu-mll/glue', notice)
  return loadDataset('glue', { task, files, split, notice })
}

type NamedFiles = Record<string, DataFile[]>

/** Reads splits of one format; class names are numbered over all of them. */
async function readSplits(files: NamedFiles, settings: DataSettings): Promise<Record<string, Dataset>> {
  const { labels } = settings
  const columns = columnsOf(settings)
  return loadDataset(oneFormat(files, settings), files, columns, labels ? { labelNames: labels } : {}).catch(columnHint(columns))
}

/** Says of a column that is not there by which flag another is named. */
const columnHint = (columns: { [key: string]: string | undefined }) => (thrown: Error) => {
  const key = thrown instanceof ColumnError && Object.keys(columns).find((each) => columns[each] === thrown.column)
  throw key ? new Error(`${thrown.message}: name it by ${kebab(key)}`) : thrown
}

// Rows that are drawn from at a time.
const shuffleBuffer = 10_000

/** Training rows come from their file as they are needed; those to evaluate on are kept. */
async function streamed(files: NamedFiles, settings: Settings): Promise<TaskData> {
  const { labels: labelNames, regression, seed = 42 } = settings
  const options = { ...(labelNames ? { labelNames } : {}), ...(regression ? { regression } : {}), streaming: true } as const
  const columns = columnsOf(settings)
  const { train, validation } = await loadDataset(oneFormat(files, settings), files, columns, options).catch(columnHint(columns))
  const found = { names: train.labelNames, regression: train.numLabels === 1, needed: train.numLabels ?? 1 }
  return {
    train: train.shuffle({ seed, bufferSize: shuffleBuffer }),
    validation: validation && (await kept(validation)),
    ...classes(found, settings),
  }
}

async function kept(split: IterableDataset): Promise<Dataset> {
  const rows: Row[] = []
  for await (const row of split) rows.push(row)
  return { rows, columns: split.columns, labelNames: split.labelNames }
}

function oneFormat(files: NamedFiles, { format }: DataSettings): DataFormat {
  const found = new Set(Object.values(files).flatMap((some) => some.map((file) => format ?? formatOf(file))))
  if (found.size > 1) throw new UsageError(`--format: wanted files of one format, got ${[...found].join(' and ')}`)
  return [...found][0]
}

function columnsOf({ text = 'text', label = 'label', textPair }: DataSettings) {
  return { text, label, ...(textPair === undefined ? {} : { textPair }) }
}
