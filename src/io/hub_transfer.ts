import { type HubClient, pieces, sleep } from './hub_client'
import { BrokenOff, type HubEntry, HubError } from './hub_types'

export interface Transfer {
  client: HubClient
  url: string
  entry: HubEntry
  part: Part
  /** What messages call it. */
  name: string
  progress: (done: number) => void
}

/** What has come of a file so far: it outlives the page or the process. */
export interface Part {
  /** 0 where nothing has come. */
  length(): Promise<number>
  /** To write from byte `from` on; what lies behind it is dropped. */
  append(from: number): Promise<{ write(piece: Uint8Array): Promise<void>; close(): Promise<void> }>
  /** Of what is there, as `wantedHash` says it; undefined where computing it would take the whole file into memory. */
  hash(): Promise<string | undefined>
  /** It is whole and right: from now on it counts. */
  finish(): Promise<void>
  remove(): Promise<void>
}

/** sha256 of a large file; of a small one git's sha1. */
export const wantedHash = ({ sha256, blobId }: HubEntry): string => sha256 ?? blobId

/** A part of a download that cannot be gone on with. */
class BadPart extends Error {}

/**
 * Downloads one file: goes on where an earlier attempt was cut off, checks size and hash, then finishes it.
 * @throws Error naming the file; what has come so far is kept for the next attempt, unless it is wrong
 */
export async function download(t: Transfer): Promise<void> {
  const resumed = await t.part.length()
  try {
    await receiveAll(t)
    const [found, wanted] = [await t.part.hash(), wantedHash(t.entry)]
    if (found !== undefined && found !== wanted)
      throw new BadPart(`${t.name}: wanted the hash ${wanted}, got ${found}: it was damaged on its way, or on the hub`)
    await t.part.finish()
  } catch (thrown) {
    if (!(thrown instanceof BadPart)) throw thrown
    await t.part.remove()
    if (resumed === 0) throw thrown
    // The fault may lie in what was left by an earlier attempt: once more from the start.
    await download(t)
  }
}

async function receiveAll(t: Transfer): Promise<void> {
  const { attempts, firstWaitMs } = t.client.pace
  const { size } = t.entry
  for (let failures = 0; ; ) {
    const before = await t.part.length()
    try {
      return await receive(t, before > size ? 0 : before)
    } catch (thrown) {
      if (!(thrown instanceof BrokenOff)) throw thrown
      const got = await t.part.length()
      // A connection that breaks but brings something each time may do so often.
      failures = got - before >= 1 << 20 ? 1 : failures + 1
      if (failures >= attempts)
        throw new Error(`${t.name}: the connection broke at ${got} of ${size} bytes (${thrown.message}); run again to go on from there`)
    }
    await sleep(firstWaitMs * 2 ** (failures - 1))
  }
}

/** Appends what is missing. */
async function receive(t: Transfer, from: number): Promise<void> {
  const { size } = t.entry
  t.progress(from)
  if (from === size) return (await t.part.append(from)).close()
  const { response, start } = await request(t, from)
  const out = await t.part.append(start).catch(async (thrown) => {
    await response.body?.cancel()
    throw thrown
  })
  let at = start
  try {
    for await (const piece of pieces(response, t.client.pace.silenceMs)) {
      if (at + piece.length > size) throw new BadPart(`${t.name}: wanted ${size} bytes, the hub sends more`)
      await out.write(piece)
      at += piece.length
      t.progress(at)
    }
  } finally {
    await out.close()
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
