import { createHash } from 'node:crypto'
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from './folder.node'
import type { Part } from './hub_transfer'
import type { HubEntry } from './hub_types'

/** A file beside `path` with `.incomplete`, until it is whole and checked. */
export function filePart(path: string, entry: HubEntry): Part {
  const part = `${path}.incomplete`
  return {
    length: async () => (await stat(part).catch(() => undefined))?.size ?? 0,
    append: async (from) => {
      const file = await open(part, 'a')
      await file.truncate(from)
      return {
        write: (piece) => file.writeFile(piece),
        close: () => file.sync().finally(() => file.close()),
      }
    },
    hash: () => hashOf(part, entry),
    finish: async () => {
      await rename(part, path)
      await syncFolder(dirname(path))
    },
    remove: () => rm(part, { force: true }),
  }
}

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
