import { room } from './directory'
import type { Files } from './files'
import { openFolder } from './folder.browser'
import { hexDigest } from './hash'
import type { Part } from './hub_transfer'
import type { HubEntry } from './hub_types'

/** The page's storage takes no more, or there is none. */
export class NotKept extends Error {}

const pieceBytes = 16 << 20
/** Web Crypto hashes what lies in memory as a whole. */
const mostHashed = 32 << 20
const mark = 'whole'

interface Piece {
  start: number
  end: number
}

/**
 * A file of the hub as the browser's own file system keeps it: a folder of pieces, each named by the byte that it begins
 * with. A piece is written once and never moved or copied, so what has come stays when the page is closed, and nothing is
 * large in memory. An empty file `whole` says that all is there and checked.
 */
export class Pieces implements Part {
  readonly #folder: Files
  readonly #entry: HubEntry
  #whole: Piece[] | undefined

  constructor(folder: string, entry: HubEntry) {
    this.#folder = openFolder(folder)
    this.#entry = entry
  }

  async isWhole(): Promise<boolean> {
    if (this.#whole) return true
    if ((await this.#folder.size(mark).catch(() => undefined)) === undefined) return false
    const pieces = await this.#list()
    if (ending(pieces) !== this.#entry.size) return false
    this.#whole = pieces
    return true
  }

  async length(): Promise<number> {
    return ending(await this.#list())
  }

  /** @throws NotKept at once where all of it cannot have room */
  async append(from: number) {
    // Also what a page left that was closed in the middle of a write.
    for (const path of await this.#folder.list().catch(() => [])) if (!(Number(path) < from)) await this.#folder.remove?.(path)
    const missing = this.#entry.size - from
    const short = await room(missing)
    if (short) throw new NotKept(short)
    const buffer = new Uint8Array(Math.min(pieceBytes, missing))
    let [at, filled] = [from, 0]
    const flush = async () => {
      if (!filled) return
      const [start, bytes] = [at, buffer.subarray(0, filled)]
      // Before the write: one that failed is not tried again.
      at += filled
      filled = 0
      await this.#write(String(start), bytes)
    }
    return {
      write: async (piece: Uint8Array) => {
        for (let i = 0; i < piece.length; ) {
          const some = piece.subarray(i, i + buffer.length - filled)
          buffer.set(some, filled)
          filled += some.length
          i += some.length
          if (filled === buffer.length) await flush()
        }
      },
      close: flush,
    }
  }

  async hash(): Promise<string | undefined> {
    const { size, sha256 } = this.#entry
    if (size > mostHashed) return undefined
    const prefix = sha256 === undefined ? new TextEncoder().encode(`blob ${size}\0`) : new Uint8Array()
    const all = new Uint8Array(prefix.length + size)
    all.set(prefix)
    all.set(await this.#read(await this.#list(), 0, size), prefix.length)
    return hexDigest(sha256 === undefined ? 'SHA-1' : 'SHA-256', all)
  }

  finish(): Promise<void> {
    return this.#write(mark, new Uint8Array())
  }

  async remove(): Promise<void> {
    for (const path of await this.#folder.list().catch(() => [])) await this.#folder.remove?.(path)
  }

  /** Bytes of a file that is whole. */
  async read(start = 0, end = this.#entry.size): Promise<Uint8Array<ArrayBuffer>> {
    const { size } = this.#entry
    if (end > size) throw new Error(`the file ends at byte ${size}, wanted ${end}`)
    return this.#read(this.#whole ?? [], start, Math.max(start, end))
  }

  async #read(pieces: Piece[], start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(end - start)
    for (const piece of pieces) {
      const [from, to] = [Math.max(start, piece.start), Math.min(end, piece.end)]
      if (from < to) bytes.set(await this.#folder.read(String(piece.start), from - piece.start, to - piece.start), from - start)
    }
    return bytes
  }

  /** Those that follow each other without a gap. */
  async #list(): Promise<Piece[]> {
    const names = (await this.#folder.list().catch(() => [])).filter((name) => /^\d+$/.test(name))
    const pieces: Piece[] = []
    for (const start of names.map(Number).sort((a, b) => a - b)) {
      const size = await this.#folder.size(String(start))
      if (start === ending(pieces) && size !== undefined) pieces.push({ start, end: start + size })
    }
    return pieces
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    await this.#folder.write(path, bytes).catch((thrown) => {
      throw new NotKept((thrown as Error).message)
    })
  }
}

const ending = (pieces: Piece[]) => pieces.at(-1)?.end ?? 0
