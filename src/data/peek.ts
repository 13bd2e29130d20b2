import { parseJson } from '../io/files'
import { checkCells, checkKeys, checkWidth, csvRecords, isBlank, type TableRow, TextPieces, tsvRecords } from './rows'
import { type DataFile, openSource, type Source } from './source'
import { lines } from './text'

/** What a file of rows holds, before anybody has chosen columns. */
export interface Peek {
  rows: number
  columns: string[]
  /** The first rows, column by name. */
  first: Record<string, string>[]
}

/**
 * Columns, number of rows and the first rows of a CSV, TSV, JSONL or parquet file, which is read in pieces, once; a parquet file's
 * first rows and its end alone.
 * @throws Error naming row and column where a row is broken, or where there is none
 */
export async function peek(file: DataFile, count = 5): Promise<Peek> {
  const source = await openSource('auto', file)
  const found = await peekSource(source, count)
  if (!found.rows) throw new Error(`${source.name}: the file has no rows`)
  return found
}

async function peekSource(source: Source, count: number): Promise<Peek> {
  if (source.format === 'parquet') {
    const { rows, columns, first } = await (await import('./parquet')).parquetHead(source, count)
    return { rows, columns, first: first.map((cells) => named(columns, cells)) }
  }
  const pieces = new TextPieces(source)
  if (source.format === 'jsonl') return peekLines(pieces, source.name, count)
  return peekTable(source.format === 'csv' ? csvRecords(pieces, source.name) : tsvRecords(pieces, source.name), source.name, pieces, count)
}

async function peekTable(records: AsyncIterable<TableRow[]>, name: string, pieces: TextPieces, count: number): Promise<Peek> {
  let columns: string[] | undefined
  const first: Peek['first'] = []
  let rows = 0
  for await (const some of records)
    for (const r of some) {
      if (isBlank(r)) continue
      if (pieces.broken) checkCells(r, columns, name, pieces)
      if (columns) {
        checkWidth(r.cells, columns, `${name}, row ${r.row}`)
        if (rows++ < count) first.push(named(columns, r.cells))
      } else columns = r.cells.map((cell) => cell.trim())
    }
  return { rows, columns: columns ?? [], first }
}

async function peekLines(pieces: TextPieces, name: string, count: number): Promise<Peek> {
  const columns = new Set<string>()
  const first: Peek['first'] = []
  let rows = 0
  for await (const some of lines(pieces, name))
    for (const { text, row } of some) {
      if (!text.trim()) continue
      const value = parseJson(text, `${name}, row ${row}`)
      if (pieces.broken) checkKeys(value, `${name}, row ${row}`, pieces)
      if (rows++ >= count) continue
      for (const key of Object.keys(value)) columns.add(key)
      first.push(named(Object.keys(value), Object.values(value)))
    }
  return { rows, columns: [...columns], first }
}

const named = (columns: readonly string[], cells: readonly unknown[]) =>
  Object.fromEntries(columns.map((column, i) => [column, shown(cells[i])]))

const shown = (cell: unknown) => (typeof cell === 'object' && cell !== null ? JSON.stringify(cell) : String(cell ?? ''))
