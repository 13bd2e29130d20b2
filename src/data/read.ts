import { type LabelCell, type LabelOptions, type LabelRule, LabelSurvey, labelRule } from './labels'
import type { Columns, RawRow, TableOptions } from './rows'
import type { Source } from './source'

/** One example. `label` is a class number, or the target of a regression. */
export interface Row {
  text: string
  pair?: string
  label?: number
}

export interface ReadOptions extends LabelOptions, TableOptions {
  /** A label that stands for none, as −1 does in GLUE's test files. */
  unlabelled?: number
  /** Bytes read at a time. */
  pieceBytes?: number
}

/** The rows of files as they are, some at a time. @throws Error where a file has none */
export async function* rawRows(sources: readonly Source[], columns: Columns, options: ReadOptions): AsyncGenerator<RawRow[]> {
  for (const source of sources) {
    let found = false
    for await (const some of await fileRows(source, columns, options)) {
      found ||= some.length > 0
      yield some
    }
    const table = source.format === 'csv' || source.format === 'tsv'
    if (!found) throw new Error(`${source.name}: the file has no rows${table ? ' below its header' : ''}`)
  }
}

/** The readers are loaded with the first file of their kind. */
async function fileRows(source: Source, columns: Columns, options: ReadOptions): Promise<AsyncGenerator<RawRow[]>> {
  if (source.format === 'parquet') return (await import('./parquet')).parquetRows(source, columns)
  const { csvRecords, jsonlRows, TextPieces, tableRows, tsvRecords } = await import('./rows')
  const pieces = new TextPieces(source, options.pieceBytes)
  if (source.format === 'jsonl') return jsonlRows(pieces, source.name, columns)
  const records = source.format === 'csv' ? csvRecords(pieces, source.name) : tsvRecords(pieces, source.name)
  return tableRows(records, source.name, columns, pieces, options)
}

/** Whether a row has a label to be read. */
export function hasLabel(raw: RawRow, columns: Columns, { unlabelled }: ReadOptions): boolean {
  return columns.label !== undefined && (unlabelled === undefined || String(raw.label).trim() !== String(unlabelled))
}

export const labelCell = (raw: RawRow): LabelCell => ({ value: raw.label, where: raw.where })

/** A row whose label is understood. */
export function toRow(raw: RawRow, columns: Columns, rule: LabelRule | undefined, options: ReadOptions): Row {
  const row: Row = raw.pair === undefined ? { text: raw.text } : { text: raw.text, pair: raw.pair }
  if (rule && hasLabel(raw, columns, options)) row.label = rule.number(labelCell(raw))
  return row
}

/** The rule that options or the files themselves give; undefined where all labels must be looked at. */
export async function statedRule(sources: readonly Source[], { label }: Columns, options: ReadOptions): Promise<LabelRule | undefined> {
  if (label === undefined) return undefined
  if (options.regression || options.labelNames) return labelRule(label, options)
  const parquet = sources.find((s) => s.format === 'parquet')
  const labelNames = parquet && (await (await import('./parquet')).parquetClassNames(parquet, label))
  return labelNames && labelRule(label, { labelNames })
}

/** Looks at all labels. */
export async function surveyedRule(sources: readonly Source[], columns: Columns, options: ReadOptions): Promise<LabelRule | undefined> {
  if (columns.label === undefined) return undefined
  const survey = new LabelSurvey(columns.label)
  for await (const some of rawRows(sources, columns, options))
    for (const raw of some) if (hasLabel(raw, columns, options)) survey.add(labelCell(raw))
  return survey.rule()
}
