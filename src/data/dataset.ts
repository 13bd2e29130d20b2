import { decodeUtf8, type Files, openFile } from '../io'
import { type LabelCell, numberLabels } from './labels'
import { type Columns, findColumns, type RawRow, readJsonl, readTable } from './rows'

/** One example. `label` is a class number, or the target of a regression. */
export interface Row {
  text: string
  pair?: string
  label?: number
}

/** One split of a data set. */
export interface Dataset {
  readonly rows: readonly Row[]
  /** Names of the classes, by number; undefined where the file has numbers. */
  readonly labelNames?: readonly string[]
  readonly columns: Columns
}

export type DataFormat = 'csv' | 'tsv' | 'jsonl'

/** A file by its path, or inside some Files (in a page: dropped files). */
export type DataFile = string | { files: Files; path: string }

const maxBytes = 500_000_000

/**
 * Reads splits of labelled texts. The first line of a CSV or TSV names its columns; quotes mean nothing in a TSV; a
 * JSONL line is one object. Class names are numbered in sorted order over all splits, or as `labelNames` says.
 * @throws Error naming file, row and column: unknown columns, missing or unknown labels, broken rows, not UTF-8
 */
export async function loadDataset<Split extends string>(
  format: DataFormat,
  files: Record<Split, DataFile>,
  columns: Columns,
  options: { labelNames?: readonly string[] } = {},
): Promise<Record<Split, Dataset>> {
  if (!['csv', 'tsv', 'jsonl'].includes(format))
    throw new Error(`loadDataset: format: wanted 'csv', 'tsv' or 'jsonl', got ${JSON.stringify(format)}`)
  const splits: { split: Split; rows: Row[]; labels: LabelCell[] }[] = []
  for (const [split, file] of Object.entries<DataFile>(files))
    splits.push({ split: split as Split, ...(await readSplit(format, file, columns)) })
  const labels =
    columns.label === undefined
      ? undefined
      : numberLabels(
          splits.flatMap((s) => s.labels),
          columns.label,
          options.labelNames,
        )
  const result = {} as Record<Split, Dataset>
  let at = 0
  for (const { split, rows } of splits) {
    const labelled = labels ? rows.map((row) => ({ ...row, label: labels.values[at++] })) : rows
    result[split] = { rows: labelled, columns, ...(labels?.names ? { labelNames: labels.names } : {}) }
  }
  return result
}

async function readSplit(format: DataFormat, file: DataFile, columns: Columns): Promise<{ rows: Row[]; labels: LabelCell[] }> {
  const { files, path } = typeof file === 'string' ? openFile(file) : file
  const name = typeof file === 'string' ? file : `${files.name}/${path}`
  const size = await files.size(path)
  if (size === undefined) throw new Error(`${name}: there is no such file`)
  if (size > maxBytes) throw new Error(`${name}: ${size} bytes are too many (at most ${maxBytes}); split the file`)
  const text = decodeUtf8(await files.read(path), name)
  const records = format === 'jsonl' ? readJsonl(text, name, columns) : findColumns(readTable(text, format, name), name, columns)
  if (!records.length) throw new Error(`${name}: the file has no rows${format === 'jsonl' ? '' : ' below its header'}`)
  return {
    rows: records.map(({ text, pair }) => (pair === undefined ? { text } : { text, pair })),
    labels: columns.label === undefined ? [] : records.map(({ label, where }: RawRow) => ({ value: label, where })),
  }
}
