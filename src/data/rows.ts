import Papa from 'papaparse'
import { parseJson } from '../io/files'
import { lines, maxRow, TextPieces, tooLong } from './text'

export { TextPieces }

/** Which columns (CSV, TSV, parquet) or keys (JSONL) to take. */
export interface Columns {
  text: string
  textPair?: string
  /** Class names, class numbers from 0, or (where any has a fraction) numbers to be predicted. */
  label?: string
}

/** A column that is not there, or twice. */
export class ColumnError extends Error {
  override name = 'ColumnError'

  constructor(
    message: string,
    readonly column: string,
  ) {
    super(message)
  }
}

/** One row of a file before its label is understood. `where` is for messages: the file and its row. */
export interface RawRow {
  text: string
  pair?: string
  label?: unknown
  where: string
}

/** For tables that are not quite as they should be. */
export interface TableOptions {
  /** The names of the columns, where the file has no header. */
  header?: readonly string[]
  /** Rows may be too long; those too short for a wanted column are passed over, as `datasets` does, and counted here. */
  skipped?: { rows: number }
}

/** Cells of one row; row numbers count from 1, the header being row 1. */
export interface TableRow {
  cells: string[]
  row: number
}

/** The rows of a TSV. Quotes mean nothing in it: one lone quote would swallow the rest of the file. */
export async function* tsvRecords(pieces: TextPieces, name: string): AsyncGenerator<TableRow[]> {
  for await (const some of lines(pieces, name)) yield some.map(({ text, row }) => ({ cells: text.split('\t'), row }))
}

/** The rows of a CSV, as RFC 4180 has them. */
export async function* csvRecords(pieces: TextPieces, name: string): AsyncGenerator<TableRow[]> {
  let rest = ''
  let row = 0
  let parser: Papa.Parser | undefined
  const take = (text: string, last: boolean): TableRow[] => {
    parser ??= new Papa.Parser({ delimiter: ',', newline: lineEnd(rest) })
    const { data, errors, meta } = parser.parse(text, 0, !last) as Papa.ParseResult<string[]>
    // An error past the last whole row may be a cell of which only the beginning is here.
    const error = errors.find((e) => last || (e.row ?? 0) < data.length)
    if (error)
      throw new Error(
        `${name}, row ${row + (error.row ?? 0) + 1}: ${error.message}; a cell with quotes, commas or line breaks wants quotes around it and "" for each inside`,
      )
    rest = rest.slice(meta.cursor)
    return data.map((cells) => ({ cells, row: ++row }))
  }
  for await (const piece of pieces) {
    rest += piece
    if (!parser && rest.length < 1 << 16) continue // enough to tell how lines end
    yield take(rest.endsWith('\r') ? rest.slice(0, -1) : rest, false)
    if (rest.length > maxRow) throw tooLong(name, row + 1, '; is a quote never closed?')
  }
  yield take(rest, true)
}

function lineEnd(text: string): '\n' | '\r\n' | '\r' {
  return Papa.parse(text.slice(0, 1 << 20), { delimiter: ',', preview: 1 }).meta.linebreak as '\n' | '\r\n' | '\r'
}

/** Takes the wanted columns out of a table whose first row names them. Blank rows are passed over. */
export async function* tableRows(
  records: AsyncIterable<TableRow[]>,
  name: string,
  columns: Columns,
  pieces: TextPieces,
  { header: given, skipped }: TableOptions = {},
): AsyncGenerator<RawRow[]> {
  let header = given
  const wanted = Object.values(columns) as string[]
  for (const column of given ? wanted : []) place(given ?? [], column, name)
  const pick = (r: TableRow): RawRow[] => {
    if (isBlank(r)) return []
    if (pieces.broken) checkCells(r, header, name, pieces)
    if (!header) {
      header = r.cells.map((h) => h.trim())
      for (const column of wanted) place(header, column, name)
      return []
    }
    const found = pickCells(r, header, columns, name, skipped !== undefined)
    if (!found && skipped) skipped.rows++
    return found ? [found] : []
  }
  for await (const some of records) yield some.flatMap(pick)
  if (!header) throw new Error(`${name}: the file is empty; wanted a header with the names of the columns`)
}

export const isBlank = ({ cells }: TableRow) => cells.length === 1 && cells[0] === ''

function pickCells(
  { cells, row }: TableRow,
  header: readonly string[],
  columns: Columns,
  name: string,
  lenient: boolean,
): RawRow | undefined {
  const where = `${name}, row ${row}`
  if (!lenient) checkWidth(cells, header, where)
  const [text, pair, label] = [columns.text, columns.textPair, columns.label].map((c) => (c === undefined ? undefined : header.indexOf(c)))
  const found: RawRow = {
    where,
    text: cells[text as number],
    ...(pair === undefined ? {} : { pair: cells[pair] }),
    ...(label === undefined ? {} : { label: cells[label] }),
  }
  return Object.values(found).includes(undefined) ? undefined : found
}

export function checkWidth(cells: readonly string[], header: readonly string[], where: string): void {
  if (cells.length !== header.length) throw new Error(`${where}: wanted ${header.length} columns as in the header, got ${cells.length}`)
}

/** Where a column stands. @throws Error where it is missing or stands twice */
export function place(header: readonly string[], column: string, name: string): number {
  const found = header.flatMap((h, i) => (h === column ? [i] : []))
  if (found.length === 1) return found[0]
  const problem = found.length ? 'stands twice in the header' : 'is not there'
  throw new ColumnError(
    `${name}: the column ${JSON.stringify(column)} ${problem}; the file has ${header.map((h) => JSON.stringify(h)).join(', ')}`,
    column,
  )
}

export function checkCells({ cells, row }: TableRow, header: readonly string[] | undefined, name: string, pieces: TextPieces): void {
  cells.forEach((cell, i) => pieces.check(cell, () => `${name}, row ${row}, column ${header?.[i] ?? i + 1}`))
}

/** One JSON object a line; blank lines are skipped. */
export async function* jsonlRows(pieces: TextPieces, name: string, columns: Columns): AsyncGenerator<RawRow[]> {
  for await (const some of lines(pieces, name))
    yield some.flatMap(({ text, row }) => (text.trim() ? [jsonRow(text, `${name}, row ${row}`, columns, pieces)] : []))
}

function jsonRow(line: string, where: string, columns: Columns, pieces: TextPieces): RawRow {
  const value = parseJson(line, where)
  if (pieces.broken) checkKeys(value, where, pieces)
  const cell = (key: string): unknown => {
    if (Object.hasOwn(value, key)) return value[key]
    const keys = Object.keys(value).map((k) => JSON.stringify(k))
    throw new ColumnError(`${where}: the column ${JSON.stringify(key)} is not there; the row has ${keys.join(', ')}`, key)
  }
  return {
    where,
    text: textCell(cell(columns.text), columns.text, where),
    ...(columns.textPair === undefined ? {} : { pair: textCell(cell(columns.textPair), columns.textPair, where) }),
    ...(columns.label === undefined ? {} : { label: cell(columns.label) }),
  }
}

export function checkKeys(value: Record<string, unknown>, where: string, pieces: TextPieces): void {
  for (const [key, cell] of Object.entries(value)) {
    pieces.check(key, () => where)
    if (typeof cell === 'string') pieces.check(cell, () => `${where}, column ${key}`)
  }
}

/** @throws Error where a text is missing or is something else */
export function textCell(found: unknown, column: string, where: string): string {
  if (typeof found === 'string') return found
  const got = typeof found === 'bigint' ? String(found) : JSON.stringify(found ?? null)
  throw new Error(`${where}, column ${column}: wanted a text, got ${got.slice(0, 100)}`)
}
