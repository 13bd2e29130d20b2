import type { Source } from './source'

/** Bytes read at a time. */
export const pieceBytes = 1 << 20

/** Characters that one row may have. */
export const maxRow = 1 << 24

/** The text of a file in pieces. `broken` becomes true where bytes are not UTF-8: U+FFFD then stands for them. */
export class TextPieces {
  broken = false
  #tail = new Uint8Array(0)

  constructor(
    private readonly source: Source,
    private readonly size = pieceBytes,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    const { files, path, name, size } = this.source
    const decoder = new TextDecoder()
    for (let start = 0; start < size; start += this.size) {
      const end = Math.min(size, start + this.size)
      const bytes = await files.read(path, start, end)
      if (!start) refuseOtherKinds(bytes, name)
      const text = decoder.decode(bytes, { stream: end < size })
      const joined = Uint8Array.of(...this.#tail, ...bytes.subarray(0, 2))
      if (!this.broken && text.includes('\uFFFD')) this.broken = this.#isBroken(bytes, text)
      this.#tail = (bytes.length > 1 ? bytes : joined).slice(-2)
      yield text
    }
  }

  /** Refuses a cell whose bytes were not UTF-8. */
  check(cell: string, where: () => string): void {
    if (!this.broken || !cell.includes('\uFFFD')) return
    const at = cell.indexOf('\uFFFD')
    throw new Error(
      `${where()}: this is not UTF-8 text (after ${JSON.stringify(cell.slice(Math.max(0, at - 20), at))}); is it Latin-1 or Windows-1252? ${saveAs('WINDOWS-1252')}`,
    )
  }

  /** A file may hold U+FFFD itself, as EF BF BD, also across two pieces. */
  #isBroken(bytes: Uint8Array, text: string): boolean {
    const all = new Uint8Array(this.#tail.length + bytes.length)
    all.set(this.#tail)
    all.set(bytes, this.#tail.length)
    let written = 0
    for (let at = all.indexOf(0xef); at >= 0; at = all.indexOf(0xef, at + 1))
      written += Number(all[at + 1] === 0xbf && all[at + 2] === 0xbd)
    return text.split('\uFFFD').length - 1 > written
  }
}

const saveAs = (from: string) => `Save it as UTF-8, e.g. iconv -f ${from} -t UTF-8 OLD > NEW`

const kinds: [number[], string][] = [
  [[0x1f, 0x8b], 'a gzip file: unpack it'],
  [[0x50, 0x4b, 3, 4], 'a zip file (a spreadsheet?): unpack it, or save it as CSV UTF-8'],
  [[0x50, 0x41, 0x52, 0x31], "a parquet file: its format is 'parquet'"],
]

function refuseOtherKinds(bytes: Uint8Array, name: string): void {
  const [a, b] = bytes
  const utf16 = (a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff) || (bytes.length > 1 && (a === 0) !== (b === 0))
  if (utf16) throw new Error(`${name}, row 1: this is not UTF-8 text but UTF-16. ${saveAs('UTF-16')}`)
  const kind = kinds.find(([magic]) => magic.every((m, i) => bytes[i] === m))
  if (kind) throw new Error(`${name}, row 1: this is not text but ${kind[1]}`)
}

export interface Line {
  text: string
  row: number
}

/** Lines by the list, in pieces of the file; any of \n, \r\n and \r ends one. */
export async function* lines(pieces: AsyncIterable<string>, name: string): AsyncGenerator<Line[]> {
  let rest = ''
  let row = 0
  for await (const piece of pieces) {
    rest += piece
    const held = rest.endsWith('\r') ? '\r' : '' // perhaps the first half of \r\n
    const parts = rest.slice(0, rest.length - held.length).split(/\r\n?|\n/)
    rest = (parts.pop() as string) + held
    if (rest.length > maxRow) throw tooLong(name, row + 1)
    yield parts.map((text) => ({ text, row: ++row }))
  }
  yield rest
    .replace(/\r$/, '')
    .split('\n')
    .map((text) => ({ text, row: ++row }))
}

export const tooLong = (name: string, row: number, hint = '') =>
  new Error(`${name}, row ${row}: longer than ${maxRow} characters, which is the most for a row${hint}`)
