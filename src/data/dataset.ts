import { type GlueOptions, loadGlue } from './glue'
import { IterableDataset } from './iterable'
import type { LabelOptions, LabelRule } from './labels'
import { LabelSurvey } from './labels'
import { hasLabel, labelCell, type ReadOptions, type Row, rawRows, statedRule, surveyedRule, toRow } from './read'
import type { Columns, RawRow } from './rows'
import { checkFormat, type DataFile, type DataFormat, openSource, type Source } from './source'

/** One split of a data set. */
export interface Dataset {
  readonly rows: readonly Row[]
  /** Names of the classes, by number; undefined where the file has numbers. */
  readonly labelNames?: readonly string[]
  readonly columns: Columns
}

/** How `loadDataset` understands labels, and whether it keeps the rows. */
export interface LoadOptions extends LabelOptions {
  /**
   * Rows are read when they are needed, not kept: for files larger than memory. Without labelNames or regression the
   * labels are read once beforehand.
   */
  streaming?: boolean
}

/** A file for each split, or several that are read one after another. */
export type SplitFiles<Split extends string> = Record<Split, DataFile | readonly DataFile[]>

const maxBytes = 500_000_000
const maxRows = 10_000_000

/**
 * Reads splits of labelled texts: CSV, TSV, JSON lines or parquet; 'auto' goes by the ending of each name. The first
 * line of a CSV or TSV names its columns; quotes mean nothing in a TSV; a JSONL line is one object. Class names are
 * numbered in sorted order over all splits, or as `labelNames` (or the parquet file of `datasets`) says.
 *
 * `loadDataset('glue', { task: 'sst2', files: 'glue' })` reads one of GLUE's nine tasks.
 * @throws Error naming file, row and column: unknown columns, missing or unknown labels, broken rows, not UTF-8
 */
export async function loadDataset(name: 'glue', options: GlueOptions): Promise<Record<string, Dataset>>
export async function loadDataset<Split extends string>(
  format: DataFormat,
  files: SplitFiles<Split>,
  columns: Columns,
  options: LoadOptions & { streaming: true },
): Promise<Record<Split, IterableDataset>>
export async function loadDataset<Split extends string>(
  format: DataFormat,
  files: SplitFiles<Split>,
  columns: Columns,
  options?: LoadOptions & { streaming?: false },
): Promise<Record<Split, Dataset>>
export async function loadDataset(
  format: DataFormat | 'glue',
  files: SplitFiles<string> | GlueOptions,
  columns?: Columns,
  options: LoadOptions = {},
): Promise<Record<string, Dataset | IterableDataset>> {
  if (format === 'glue') return loadGlue(files as GlueOptions, readSplits)
  checkFormat(format)
  if (!columns) throw new Error("loadDataset: columns: wanted the names of the columns, e.g. { text: 'text', label: 'label' }")
  const sources: Record<string, Source[]> = {}
  for (const [split, some] of Object.entries(files as SplitFiles<string>)) {
    const list = Array.isArray(some) ? (some as DataFile[]) : [some as DataFile]
    sources[split] = await Promise.all(list.map((file) => openSource(format, file)))
    if (!list.length) throw new Error(`loadDataset: ${split}: wanted at least one file, got none`)
  }
  return options.streaming ? streamSplits(sources, columns, options) : readSplits(sources, columns, options)
}

async function streamSplits(
  sources: Record<string, Source[]>,
  columns: Columns,
  options: ReadOptions,
): Promise<Record<string, IterableDataset>> {
  const all = Object.values(sources).flat()
  const rule = (await statedRule(all, columns, options)) ?? (await surveyedRule(all, columns, options))
  return Object.fromEntries(Object.entries(sources).map(([split, some]) => [split, new IterableDataset(some, columns, rule, options)]))
}

/** Reads whole splits. */
export type ReadSplits = (sources: Record<string, Source[]>, columns: Columns, options: ReadOptions) => Promise<Record<string, Dataset>>

const readSplits: ReadSplits = async (sources, columns, options) => {
  const stated = await statedRule(Object.values(sources).flat(), columns, options)
  const survey = stated || columns.label === undefined ? undefined : new LabelSurvey(columns.label)
  const raw: Record<string, RawRow[]> = {}
  for (const [split, some] of Object.entries(sources)) raw[split] = await readWhole(some, columns, options, survey)
  const rule: LabelRule | undefined = stated ?? survey?.rule()
  const dataset = (rows: RawRow[]): Dataset => ({
    rows: rows.map((r) => toRow(r, columns, rule, options)),
    columns,
    ...(rule?.names ? { labelNames: rule.names } : {}),
  })
  return Object.fromEntries(Object.entries(raw).map(([split, rows]) => [split, dataset(rows)]))
}

async function readWhole(sources: Source[], columns: Columns, options: ReadOptions, survey: LabelSurvey | undefined): Promise<RawRow[]> {
  for (const { name, size } of sources)
    if (size > maxBytes)
      throw new Error(`${name}: ${size} bytes are too many to keep (at most ${maxBytes}); load it with { streaming: true }`)
  const rows: RawRow[] = []
  for await (const some of rawRows(sources, columns, options)) {
    for (const raw of some) {
      if (survey && hasLabel(raw, columns, options)) survey.add(labelCell(raw))
      rows.push(raw)
    }
    if (rows.length > maxRows)
      throw new Error(`${sources[0].name}: more than ${maxRows} rows are too many to keep; load it with { streaming: true }`)
  }
  return rows
}
