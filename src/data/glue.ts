import { type Files, openFolder } from '../io'
import type { Dataset, ReadSplits } from './dataset'
import { type GlueName, type GlueTask, glueTasks } from './glue_tasks'
import { NumpyRandom } from './numpy_random'
import type { ReadOptions, Row } from './read'
import { openSource, type Source } from './source'

/** Which task of GLUE `loadDataset('glue', …)` reads, from where, and in which split. */
export interface GlueOptions {
  task: GlueName
  /**
   * A folder, or its files: `sst2/train-00000-of-00001.parquet` as in nyu-mll/glue, or `SST-2/train.tsv` as in the
   * classic download; with the folder of the task or inside it. Default: `glue`.
   */
  files?: string | Files
  /**
   * 'official': train, validation, test (MNLI: validation_matched, validation_mismatched, …), as far as there are files.
   * 'paper': the training rows shuffled with seed 1, of which the first tenth is `validation` and the rest `train`;
   * the official validation rows are `test` (MNLI: both kinds, and test_matched and test_mismatched). Default: official.
   */
  split?: 'official' | 'paper'
  /** Hears of rows that are passed over. Default: console.warn. */
  notice?: (text: string) => void
}

/** Reads one of GLUE's tasks. @throws Error where a file is missing or damaged, with its name */
export async function loadGlue(
  { task: name, files = 'glue', split = 'official', notice = console.warn }: GlueOptions,
  read: ReadSplits,
): Promise<Record<string, Dataset>> {
  if (!Object.hasOwn(glueTasks, name))
    throw new Error(`loadDataset: glue: task: wanted one of ${Object.keys(glueTasks).join(', ')}, got ${JSON.stringify(name)}`)
  if (split !== 'official' && split !== 'paper')
    throw new Error(`loadDataset: glue: split: wanted 'official' or 'paper', got ${JSON.stringify(split)}`)
  const task = glueTasks[name]
  const folder = typeof files === 'string' ? openFolder(files) : files
  const paths = await folder.list()
  const found: Record<string, Dataset> = {}
  for (const part of ['train', ...task.validation, ...(split === 'official' ? task.test : [])]) {
    const sources = await splitSources(folder, paths, name, part)
    if (sources.length) found[part] = await readSplit(sources, task, part, read, notice)
    else if (!task.test.includes(part)) throw missing(folder, name, part)
  }
  return split === 'official' ? found : paperSplits(found, task)
}

/** The files of a split: parquet, in parts or whole, else TSV. */
async function splitSources(files: Files, paths: string[], task: GlueName, split: string): Promise<Source[]> {
  const { folder } = glueTasks[task].tsv
  const below = `^(?:(?:.*/)?(?:${task}|${folder})/)?`
  const matching = (name: string) => paths.filter((p) => new RegExp(`${below}${name}$`, 'i').test(p)).sort()
  const parquet = matching(`${split}-\\d+-of-\\d+\\.parquet`)
  const some = parquet.length ? parquet : matching(`${split.replace('validation', 'dev')}\\.tsv`).slice(0, 1)
  return Promise.all(some.map((path) => openSource('auto', { files, path })))
}

function missing(files: Files, task: GlueName, split: string): Error {
  const tsv = `${glueTasks[task].tsv.folder}/${split.replace('validation', 'dev')}.tsv`
  return new Error(
    `${files.name}: GLUE's ${task} wants ${task}/${split}-00000-of-00001.parquet or ${tsv} for its split ${split}; neither is there`,
  )
}

async function readSplit(
  sources: Source[],
  task: GlueTask,
  split: string,
  read: ReadSplits,
  notice: (text: string) => void,
): Promise<Dataset> {
  const tsv = sources[0].format === 'tsv'
  const isTest = task.test.includes(split)
  const { label, ...texts } = task.tsv.columns
  const columns = !tsv ? task.columns : isTest ? texts : { ...texts, label } // the classic test files have no labels
  const skipped = { rows: 0 }
  const options: ReadOptions = {
    ...(task.labelNames ? { labelNames: task.labelNames } : { regression: true }),
    unlabelled: -1,
    ...(tsv ? { skipped } : {}),
    ...(tsv && !isTest && task.tsv.header ? { header: task.tsv.header } : {}),
  }
  const found = (await read({ [split]: sources }, columns, options))[split]
  if (skipped.rows) notice(`${sources[0].name}: ${skipped.rows} rows with too few columns were passed over`)
  return { ...found, columns: task.columns, ...(task.labelNames ? { labelNames: task.labelNames } : {}) }
}

function paperSplits(found: Record<string, Dataset>, task: GlueTask): Record<string, Dataset> {
  const { validation, train } = paperSplit(found.train)
  const tests = task.validation.map((name) => found[name])
  const test = { ...tests[0], rows: tests.flatMap((t) => t.rows) }
  const apart = tests.length > 1 ? task.validation.map((name) => [name.replace('validation', 'test'), found[name]]) : []
  return { train, validation, test, ...Object.fromEntries(apart) }
}

/**
 * The paper's split of training rows, row for row: `train.shuffle(seed=1)` of `datasets`, of which the first
 * round(0.1·N) are for validation.
 */
export function paperSplit(all: Dataset): { train: Dataset; validation: Dataset } {
  const rows: Row[] = Array.from(new NumpyRandom(1).permutation(all.rows.length), (i) => all.rows[i])
  const count = paperValidationRows(rows.length)
  return { validation: { ...all, rows: rows.slice(0, count) }, train: { ...all, rows: rows.slice(count) } }
}

/** Python's round(0.1·n): halves go to the even side. */
export function paperValidationRows(n: number): number {
  const tenth = 0.1 * n
  const low = Math.floor(tenth)
  if (tenth - low === 0.5) return low + (low % 2)
  return Math.round(tenth)
}
