import Papa from 'papaparse'
import { parseJson } from '../io'

/** Which columns (CSV, TSV) or keys (JSONL) to take. */
export interface Columns {
  text: string
  textPair?: string
  /** Class names, class numbers from 0, or (where any has a fraction) numbers to be predicted. */
  label?: string
}

/** One row of a file before its label is understood. `where` is for messages: the file and its row. */
export interface RawRow {
  text: string
  pair?: string
  label?: unknown
  where: string
}

/** Cells of one row; row numbers count from 1, the header being row 1. */
interface TableRow {
  cells: string[]
  row: number
}

/** The rows of a CSV or TSV that are not blank. Quotes mean nothing in a TSV: one lone quote would swallow the rest of the file. */
export function readTable(text: string, format: 'csv' | 'tsv', name: string): TableRow[] {
  const { data, errors } =
    format === 'csv'
      ? Papa.parse<string[]>(text, { delimiter: ',' })
      : Papa.parse<string[]>(text.replace(/\r\n?/g, '\n'), { delimiter: '\t', quoteChar: '\0', newline: '\n' })
  if (errors.length) {
    const { row, message } = errors[0]
    throw new Error(
      `${name}, row ${(row ?? 0) + 1}: ${message}; a cell with quotes, commas or line breaks wants quotes around it and "" for each inside`,
    )
  }
  return data.map((cells, i) => ({ cells, row: i + 1 })).filter(({ cells }) => cells.length > 1 || cells[0] !== '')
}

/** Takes the wanted columns out of a table whose first row names them. */
export function findColumns(table: TableRow[], name: string, columns: Columns): RawRow[] {
  if (!table.length) throw new Error(`${name}: the file is empty; wanted a header with the names of the columns`)
  const [{ cells: header }, ...rows] = table
  const place = (column: string | undefined): number => {
    if (column === undefined) return -1
    const found = header.flatMap((h, i) => (h.trim() === column ? [i] : []))
    if (found.length === 1) return found[0]
    const problem = found.length ? 'stands twice in the header' : 'is not there'
    throw new Error(
      `${name}: the column ${JSON.stringify(column)} ${problem}; the file has ${header.map((h) => JSON.stringify(h.trim())).join(', ')}`,
    )
  }
  const [text, pair, label] = [place(columns.text), place(columns.textPair), place(columns.label)]
  return rows.map(({ cells, row }) => {
    const where = `${name}, row ${row}`
    if (cells.length !== header.length) throw new Error(`${where}: wanted ${header.length} columns as in the header, got ${cells.length}`)
    return {
      where,
      text: cells[text],
      ...(pair < 0 ? {} : { pair: cells[pair] }),
      ...(label < 0 ? {} : { label: cells[label] }),
    }
  })
}

/** One JSON object a line; blank lines are skipped. */
export function readJsonl(text: string, name: string, columns: Columns): RawRow[] {
  return text.split('\n').flatMap((line, i) => {
    if (!line.trim()) return []
    const where = `${name}, row ${i + 1}`
    const value = parseJson(line, where)
    const cell = (key: string): unknown => {
      if (Object.hasOwn(value, key)) return value[key]
      throw new Error(
        `${where}: the column ${JSON.stringify(key)} is not there; the row has ${Object.keys(value)
          .map((k) => JSON.stringify(k))
          .join(', ')}`,
      )
    }
    const words = (key: string): string => {
      const found = cell(key)
      if (typeof found !== 'string') throw new Error(`${where}, column ${key}: wanted a text, got ${JSON.stringify(found).slice(0, 100)}`)
      return found
    }
    return {
      where,
      text: words(columns.text),
      ...(columns.textPair === undefined ? {} : { pair: words(columns.textPair) }),
      ...(columns.label === undefined ? {} : { label: cell(columns.label) }),
    }
  })
}
