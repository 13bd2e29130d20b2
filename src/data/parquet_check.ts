import type { ColumnMetaData, CompressionCodec } from 'hyparquet'
import { type ThriftStruct, walkThrift } from './thrift'

// hyparquet believes the sizes in a file. What is checked here, before it reads, keeps a small hostile file from taking
// all memory: every size against the bytes there are, every count against the rows of its group.

const maxFooter = 64 << 20
const maxPage = 1 << 28
const maxChunk = 2 ** 30
export const maxGroupRows = 1 << 24

/** The footer's bytes, checked: `tail` are the file's last ones. */
export function footerLength(tail: Uint8Array, size: number): number {
  const magic = String.fromCharCode(...tail.slice(-4))
  if (tail.length < 12 || magic !== 'PAR1')
    throw new Error(`it is no parquet file, or its end is missing (wanted PAR1, got ${JSON.stringify(magic)})`)
  const length = new DataView(tail.buffer, tail.byteOffset).getUint32(tail.length - 8, true)
  if (length > Math.min(maxFooter, size - 12))
    throw new Error(`its description claims ${length} bytes, at most ${Math.min(maxFooter, size - 12)} are possible`)
  return length
}

/** A column's chunk in its row group: where it lies. */
export function chunkRange(meta: ColumnMetaData, size: number): [number, number] {
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset)
  const length = Number(meta.total_compressed_size)
  if (!(start >= 4 && length >= 0 && start + length <= size)) throw new Error(`it claims bytes ${start} to ${start + length} of ${size}`)
  if (length > maxChunk) throw new Error(`${length} bytes in one row group are too many (at most ${maxChunk}); write smaller row groups`)
  return [start, start + length]
}

/** What to check in a page once it is unpacked. */
type PageCheck = (page: Uint8Array) => void

/**
 * Walks the pages of a chunk. Pages that are not packed are checked here; for the others it gives a check each, in
 * order.
 */
export function checkPages(
  chunk: Uint8Array,
  rows: number,
  codec: CompressionCodec,
  optional: boolean,
  type: string,
): { size: number; check: PageCheck }[] {
  const packed: { size: number; check: PageCheck }[] = []
  let [seen, unpacked] = [0, 0]
  for (let at = 0; at < chunk.length - 1 && seen < rows; ) {
    const { value, end } = walkThrift(chunk, at)
    const page = readHeader(value)
    if (page.count > rows) throw new Error(`a page claims ${page.count} values in a group of ${rows} rows`)
    if (!(page.packed >= 0 && end + page.packed <= chunk.length))
      throw new Error(`a page claims ${page.packed} bytes, ${chunk.length - end} are left`)
    unpacked += page.size
    if (!(page.size >= page.levels && page.size <= maxPage && unpacked <= maxChunk))
      throw new Error(`a page claims ${page.size} bytes when unpacked`)
    const bytes = chunk.subarray(end, end + page.packed)
    const check: PageCheck = (data) => checkValues(data, page, optional, type)
    if (page.levels && optional) checkRuns(bytes.subarray(0, page.levels), page.repetition, 1, page.count)
    if (codec === 'UNCOMPRESSED' || !page.isPacked) check(bytes.subarray(page.levels))
    else packed.push({ size: page.size - page.levels, check })
    if (!page.dictionary) seen += page.count
    at = end + page.packed
  }
  return packed
}

interface Page {
  dictionary: boolean
  /** Of version 2: levels lie before the data and are never packed. */
  v2: boolean
  size: number
  packed: number
  count: number
  encoding: number
  levels: number
  repetition: number
  isPacked: boolean
}

function readHeader(h: ThriftStruct): Page {
  const [v1, dictionary, v2] = [h[5], h[7], h[8]] as (ThriftStruct | undefined)[]
  const kind = [v1, undefined, dictionary, v2][h[1] as number]
  if (!kind) throw new Error('a page has no header of its kind')
  const number = (field: number) => (typeof kind[field] === 'number' ? (kind[field] as number) : 0)
  const isV2 = kind === v2
  const [definition, repetition] = isV2 ? [number(5), number(6)] : [0, 0]
  if (definition < 0 || repetition < 0 || number(1) < 0 || (isV2 && !(number(2) >= 0 && number(2) <= number(1))))
    throw new Error('a page has a negative size')
  return {
    dictionary: kind === dictionary,
    v2: isV2,
    size: h[2] as number,
    packed: h[3] as number,
    count: number(1),
    encoding: number(isV2 ? 4 : 2),
    levels: definition + repetition,
    repetition,
    isPacked: !isV2 || kind[7] !== 0,
  }
}

// Encodings by their numbers in the format.
const [plainDictionary, rle, delta, deltaLength, deltaStrings, rleDictionary] = [2, 3, 5, 6, 7, 8]

function checkValues(data: Uint8Array, page: Page, optional: boolean, type: string): void {
  if (page.dictionary) return // PLAIN, whatever it says
  let at = 0
  if (optional && !page.v2) at = checkRuns(data, 0, 1, page.count, true)
  const indices = [plainDictionary, rle, rleDictionary].includes(page.encoding)
  if (indices && (page.v2 ? page.encoding === rle : type === 'BOOLEAN')) checkRuns(data, at, 1, page.count, true)
  else if (indices) checkRuns(data, at + 1, data[at] ?? 0, page.count)
  else if (page.encoding === delta || page.encoding === deltaLength) checkDelta(data, at)
  else if (page.encoding === deltaStrings)
    throw new Error('the encoding DELTA_BYTE_ARRAY is not read, for a small file of it can claim any size; write the file with another')
}

/** Runs of the RLE and bit-packed hybrid: none may be longer than the values of its page. Gives where they end. */
function checkRuns(data: Uint8Array, start: number, width: number, count: number, hasLength = false): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  let at = hasLength ? start + 4 : start
  const end = hasLength ? at + view.getUint32(start, true) : data.length
  if (width > 32 || end > data.length) throw new Error('a page is cut off or damaged')
  for (let seen = 0; seen < count && at < end; ) {
    let head = 0
    let scale = 1
    for (let more = true; more && at < end; scale *= 128) {
      head += (data[at] & 127) * scale
      more = data[at++] > 127
    }
    const packed = head % 2 === 1
    const run = packed ? (head - 1) * 4 : head / 2
    if (run > count + (packed ? 504 : 0)) throw new Error(`a page of ${count} values claims a run of ${run}`)
    at += packed ? (run / 8) * width : Math.ceil(width / 8)
    seen += run
  }
  return end
}

function checkDelta(data: Uint8Array, start: number): void {
  const [block, parts] = [varintAt(data, start), varintAt(data, varintAt(data, start).end)]
  if (block.value > 1 << 20 || parts.value > 1024 || parts.value < 1)
    throw new Error(`a page claims blocks of ${block.value} numbers in ${parts.value} parts`)
}

function varintAt(data: Uint8Array, start: number): { value: number; end: number } {
  let value = 0
  for (let at = start, scale = 1; at < data.length && scale < 2 ** 35; scale *= 128) {
    value += (data[at] & 127) * scale
    if (data[at++] < 128) return { value, end: at }
  }
  throw new Error('a page is cut off or damaged')
}
