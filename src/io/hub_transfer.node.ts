import { createHash } from 'node:crypto'
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { reason, syncFolder } from './folder.node'
import { type HubClient, pieces, sleep } from './hub_client'
import { BrokenOff, type HubEntry, HubError } from './hub_types'

export interface Transfer {
  client: HubClient
  url: string
  entry: HubEntry
  /** Where it lies when it is whole and checked; until then beside it, with `.incomplete`. */
  path: string
  /** What messages call it. */
  name: string
  progress: (done: number) => void
}

/** A part of a download that cannot be gone on with. */
class BadPart extends Error {}

/**
 * Downloads one file: goes on where an earlier attempt was cut off, checks size and hash, then gives it its name.
 * @throws Error naming the file; what has come so far is kept for the next attempt, unless it is wrong
 */
export async function download(t: Transfer): Promise<void> {
  const part = `${t.path}.incomplete`
  const resumed = await lengthOf(part)
  try {
    await receiveAll(t, part)
    const found = await hashOf(part, t.entry)
    const wanted = t.entry.sha256 ?? t.entry.blobId
    if (found !== wanted) throw new BadPart(`${t.name}: wanted the hash ${wanted}, got ${found}: it was damaged on its way, or on the hub`)
    await rename(part, t.path)
    await syncFolder(dirname(t.path))
  } catch (thrown) {
    if (thrown instanceof BadPart) {
      await rm(part, { force: true })
      // The fault may lie in what was left by an earlier attempt: once more from the start.
      if (resumed > 0) return download(t)
    }
    const { code } = thrown as NodeJS.ErrnoException
    throw code ? new Error(`cannot write ${t.name} to ${part}: ${reason(thrown)}`) : thrown
  }
}

async function receiveAll(t: Transfer, part: string): Promise<void> {
  const { attempts, firstWaitMs } = t.client.pace
  const { size } = t.entry
  for (let failures = 0; ; ) {
    const before = await lengthOf(part)
    const file = await open(part, before > size ? 'w' : 'a')
    try {
      await receive(t, file, before > size ? 0 : before)
      await file.sync()
      return
    } catch (thrown) {
      if (!(thrown instanceof BrokenOff)) throw thrown
      const got = (await file.stat()).size
      // A connection that breaks but brings something each time may do so often.
      failures = got - before >= 1 << 20 ? 1 : failures + 1
      if (failures >= attempts)
        throw new Error(`${t.name}: the connection broke at ${got} of ${size} bytes (${thrown.message}); run again to go on from there`)
    } finally {
      await file.close()
    }
    await sleep(firstWaitMs * 2 ** (failures - 1))
  }
}

/** Appends what is missing. */
async function receive(t: Transfer, file: FileHandle, from: number): Promise<void> {
  const { size } = t.entry
  t.progress(from)
  if (from === size) return
  const { response, start } = await request(t, from)
  if (start < from) await file.truncate(start)
  let at = start
  for await (const piece of pieces(response, t.client.pace.silenceMs)) {
    if (at + piece.length > size) throw new BadPart(`${t.name}: wanted ${size} bytes, the hub sends more`)
    await file.writeFile(piece)
    at += piece.length
    t.progress(at)
  }
  if (at < size) throw new BrokenOff(`it ended after ${at} bytes`)
}

async function request(t: Transfer, from: number): Promise<{ response: Response; start: number }> {
  const { size } = t.entry
  const headers: Record<string, string> = { 'Accept-Encoding': 'identity', ...(from ? { Range: `bytes=${from}-` } : {}) }
  const response = await t.client.get(t.url, headers, t.name).catch((thrown) => {
    if (thrown instanceof HubError && thrown.status === 416)
      throw new BadPart(`${t.name}: wanted ${size} bytes, the hub has at most ${from}`)
    throw thrown
  })
  const start = response.status === 206 ? from : 0
  const [told, range] = [response.headers.get('Content-Length'), response.headers.get('Content-Range')]
  const ends = range?.match(/^bytes (\d+)-\d+\/(\d+|\*)$/)
  const total = ends ? (ends[2] === '*' ? size : Number(ends[2])) : told === null ? size : start + Number(told)
  if ((ends && Number(ends[1]) !== start) || total !== size) {
    await response.body?.cancel()
    throw new BadPart(`${t.name}: wanted ${size} bytes from ${start} on, the hub sends ${range ?? `${told} bytes`}`)
  }
  return { response, start }
}

const lengthOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0

/** sha256 of a large file; of a small one git's sha1. */
async function hashOf(path: string, { size, sha256 }: HubEntry): Promise<string> {
  const hash = sha256 === undefined ? createHash('sha1').update(`blob ${size}\0`) : createHash('sha256')
  const file = await open(path)
  try {
    for await (const piece of file.createReadStream({ highWaterMark: 1 << 20, autoClose: false })) hash.update(piece as Buffer)
    return hash.digest('hex')
  } finally {
    await file.close()
  }
}
