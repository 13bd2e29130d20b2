import type { AsyncBuffer, ColumnMetaData, Compressors, FileMetaData, RowGroup, SchemaElement } from 'hyparquet'
import { checkPages, chunkRange, footerLength, maxGroupRows } from './parquet_check'
import { type Columns, place, type RawRow, textCell } from './rows'
import type { Source } from './source'
import { walkThrift } from './thrift'

type Cells = ArrayLike<unknown>

// A row group may be large: its rows are made this many at a time.
const sliceRows = 8192

/** The rows of a parquet file, one row group after another; only wanted columns are read. */
export async function* parquetRows(source: Source, columns: Columns): AsyncGenerator<RawRow[]> {
  const { name } = source
  const metadata = await readMetadata(source)
  const wanted = Object.values(columns) as string[]
  const elements = new Map(wanted.map((column) => [column, findColumn(metadata, column, name)]))
  let row = 0
  for (const group of metadata.row_groups) {
    const count = Number(group.num_rows)
    const cells = new Map<string, Cells>()
    for (const [column, element] of elements) cells.set(column, await readColumn(source, metadata, group, row, column, element))
    for (let at = 0; at < count; at += sliceRows)
      yield Array.from({ length: Math.min(sliceRows, count - at) }, (_, i) =>
        rawRow(cells, at + i, `${name}, row ${row + at + i + 1}`, columns),
      )
    row += count
  }
}

/** Number of rows, the columns of texts and numbers, and the cells of the first rows, which come from the first row group alone. */
export async function parquetHead(source: Source, count: number): Promise<{ rows: number; columns: string[]; first: unknown[][] }> {
  const metadata = await readMetadata(source)
  const elements = topElements(metadata).filter(isFlat)
  const group = metadata.row_groups.find(({ num_rows }) => num_rows > 0)
  const cells: Cells[] = []
  for (const element of group ? elements : []) cells.push(await readColumn(source, metadata, group as RowGroup, 0, element.name, element))
  const first = Array.from({ length: Math.min(count, Number(group?.num_rows ?? 0)) }, (_, i) => cells.map((column) => column[i]))
  return { rows: Number(metadata.num_rows), columns: elements.map(({ name }) => name), first }
}

/** Names of classes, as `datasets` writes them beside the columns. */
export async function parquetClassNames(source: Source, column: string): Promise<readonly string[] | undefined> {
  const text = (await readMetadata(source)).key_value_metadata?.find(({ key }) => key === 'huggingface')?.value
  try {
    const names: unknown = JSON.parse(text ?? '{}').info?.features?.[column]?.names
    return Array.isArray(names) && names.length && names.every((n) => typeof n === 'string') ? names : undefined
  } catch {
    return undefined
  }
}

function rawRow(cells: Map<string, Cells>, i: number, where: string, { text, textPair, label }: Columns): RawRow {
  const cell = (column: string) => cells.get(column)?.[i]
  return {
    where,
    text: textCell(cell(text), text, where),
    ...(textPair === undefined ? {} : { pair: textCell(cell(textPair), textPair, where) }),
    ...(label === undefined ? {} : { label: cell(label) }),
  }
}

const damaged = (where: string, thrown: unknown) => new Error(`${where}: this parquet file cannot be read: ${(thrown as Error).message}`)

async function readMetadata({ files, path, name, size }: Source): Promise<FileMetaData> {
  const { parquetMetadata } = await import('./hyparquet')
  try {
    const length = footerLength(await files.read(path, Math.max(0, size - 12)), size)
    const footer = await files.read(path, size - length - 8)
    walkThrift(footer, 0)
    const metadata = parquetMetadata(footer, { geoparquet: false })
    const rows = metadata.row_groups.reduce((sum, { num_rows }) => sum + Number(num_rows), 0)
    if (rows !== Number(metadata.num_rows)) throw new Error(`it claims ${metadata.num_rows} rows, its groups have ${rows}`)
    const large = metadata.row_groups.findIndex(({ num_rows }) => !(num_rows >= 0 && num_rows <= maxGroupRows))
    if (large >= 0)
      throw new Error(
        `row group ${large} claims ${metadata.row_groups[large].num_rows} rows (at most ${maxGroupRows}); write smaller groups`,
      )
    return metadata
  } catch (thrown) {
    throw damaged(name, thrown)
  }
}

/** @throws Error where there is no such column, or one of lists or structures */
function findColumn(metadata: FileMetaData, column: string, name: string): SchemaElement {
  const top = topElements(metadata)
  const found =
    top[
      place(
        top.map((e) => e.name),
        column,
        name,
      )
    ]
  if (isFlat(found)) return found
  throw new Error(`${name}, column ${column}: wanted texts or numbers, got ${hasParts(found) ? 'lists or structures' : found.type}`)
}

function topElements({ schema }: FileMetaData): SchemaElement[] {
  const top: SchemaElement[] = []
  for (let at = 1; at < schema.length; at = after(schema, at)) top.push(schema[at])
  return top
}

const hasParts = ({ num_children: parts, repetition_type: repetition }: SchemaElement) => Boolean(parts) || repetition === 'REPEATED'

/** Texts or numbers. */
const isFlat = (element: SchemaElement) =>
  !hasParts(element) && ['BOOLEAN', 'INT32', 'INT64', 'FLOAT', 'DOUBLE', 'BYTE_ARRAY'].includes(element.type ?? '')

/** The place after an element and all below it. */
function after(schema: SchemaElement[], at: number): number {
  let next = at + 1
  for (let left = schema[at].num_children ?? 0; left > 0 && next < schema.length; next++) left += (schema[next].num_children ?? 0) - 1
  return next
}

async function readColumn(
  source: Source,
  metadata: FileMetaData,
  group: RowGroup,
  row: number,
  column: string,
  element: SchemaElement,
): Promise<Cells> {
  const { parquetRead } = await import('./hyparquet')
  const where = `${source.name}, column ${column}, rows ${row + 1} to ${row + Number(group.num_rows)}`
  if (!group.num_rows) return []
  try {
    const meta = group.columns.find(({ meta_data }) => meta_data?.path_in_schema[0] === column)?.meta_data
    if (!meta) throw new Error('its description is missing')
    const [start, end] = chunkRange(meta, source.size)
    const chunk = await source.files.read(source.path, start, end)
    const compressors = await checkedCompressors(meta, chunk, Number(group.num_rows), element)
    const found: { columnData: Cells; rowStart: number }[] = []
    await parquetRead({
      file: window(chunk, start, source.size),
      metadata,
      columns: [column],
      rowStart: row,
      rowEnd: row + Number(group.num_rows),
      compressors,
      geoparquet: false,
      onChunk: (c) => found.push(c),
    })
    const cells = found.sort((a, b) => a.rowStart - b.rowStart).flatMap((c) => Array.from(c.columnData))
    if (cells.length !== Number(group.num_rows)) throw new Error(`it has ${cells.length} values`)
    return cells.map((c) => (typeof c === 'bigint' ? Number(c) : c))
  } catch (thrown) {
    throw damaged(where, thrown)
  }
}

/** The file, of which only bytes from `start` are here. */
function window(chunk: Uint8Array<ArrayBuffer>, start: number, size: number): AsyncBuffer {
  return {
    byteLength: size,
    slice(from, to = size) {
      if (from < start || to > start + chunk.length) throw new Error(`bytes ${from} to ${to} are outside the column`)
      return chunk.buffer.slice(from - start, to - start)
    },
  }
}

/** Unpacks the pages of one chunk, in their order, and checks each. */
async function checkedCompressors(
  { codec }: ColumnMetaData,
  chunk: Uint8Array,
  rows: number,
  element: SchemaElement,
): Promise<Compressors> {
  const pages = checkPages(chunk, rows, codec, element.repetition_type !== 'REQUIRED', element.type ?? '')
  if (codec === 'UNCOMPRESSED') return {}
  const unpack = await unpacker(codec)
  return {
    [codec]: (input: Uint8Array, size: number) => {
      const page = pages.shift()
      if (page?.size !== size) throw new Error(`a page of ${size} bytes is not where it should be`)
      const data = unpack(input, size)
      page.check(data)
      return data
    },
  }
}

async function unpacker(codec: ColumnMetaData['codec']): Promise<(input: Uint8Array, size: number) => Uint8Array> {
  const { compressors, decompressZstd } = await import('./compressors')
  if (codec === 'ZSTD') return (input, size) => decompressZstd(input, new Uint8Array(size)) // as large as the file says, no more
  const found = compressors[codec]
  if (!found) throw new Error(`it is packed with ${codec}, which is not supported; write it with SNAPPY or ZSTD`)
  return found
}
