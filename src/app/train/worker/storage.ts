import { cachedRepositories, type Files, memoryFiles, openFolder, subFolder } from '../../../io'
import { isFolder } from '../../../io/folder.node'

import type { Stored } from '../protocol'

export const runFolder = 'condlora/run'
export const modelsFolder = 'condlora/models'

/** What the hub's models, dropped models and runs take. */
export async function storedItems(): Promise<Stored[]> {
  const hub = (await cachedRepositories()).map(({ repository, bytes }) => ({ name: repository, bytes }))
  const models = new Map<string, number>()
  if (await isFolder(modelsFolder))
    for (const [path, bytes] of await sizes(openFolder(modelsFolder))) {
      const [model] = path.split('/')
      models.set(model, (models.get(model) ?? 0) + bytes)
    }
  const run = (await isFolder(runFolder)) ? (await sizes(openFolder(runFolder))).reduce((sum, [, bytes]) => sum + bytes, 0) : 0
  return [...hub, ...[...models].map(([name, bytes]) => ({ name, bytes })), ...(run ? [{ name: 'the last run', bytes: run }] : [])]
}

async function sizes(files: Files): Promise<[string, number][]> {
  return Promise.all((await files.list()).map(async (path): Promise<[string, number]> => [path, (await files.size(path)) ?? 0]))
}

/** Deletes a folder of this site with all that is in it; nothing happens where there is none. */
export async function removeFolder(path: string): Promise<void> {
  const [name, ...above] = path.split('/').reverse()
  try {
    let folder = await navigator.storage.getDirectory()
    for (const part of above.reverse()) folder = await folder.getDirectoryHandle(part)
    await folder.removeEntry(name, { recursive: true })
  } catch (thrown) {
    if ((thrown as DOMException).name !== 'NotFoundError') throw thrown
  }
}

/** Copies files into a folder of this site, some bytes at a time. `tell` hears of each file. */
export async function copyFiles(
  from: Files,
  paths: readonly string[],
  to: Files,
  tell: (file: string, done: number, total: number) => void,
): Promise<void> {
  for (const path of paths) {
    const total = (await from.size(path)) ?? 0
    await to.write(
      path,
      pieces(from, path, total, (done) => tell(path, done, total)),
    )
  }
}

async function* pieces(from: Files, path: string, total: number, told: (done: number) => void): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < total; at += 1 << 22) {
    const end = Math.min(total, at + (1 << 22))
    yield await from.read(path, at, end)
    told(end)
  }
}

/**
 * The checkpoints of a run: in this site's storage, and from the first write that fails there on in memory, so that a full disk does
 * not end the run. What lies in the storage then stays.
 */
export function checkpointFiles(notice: (text: string) => void): Files {
  const disk = subFolder(openFolder(runFolder), 'checkpoints')
  const memory = memoryFiles(disk.name)
  let fallen = false
  const inMemory = async (path: string) => (await memory.size(path)) !== undefined
  return {
    name: disk.name,
    list: async () => [...new Set([...(await disk.list().catch(() => [])), ...(await memory.list())])].sort(),
    size: async (path) => (await memory.size(path)) ?? disk.size(path),
    read: async (path, start, end) => ((await inMemory(path)) ? memory : disk).read(path, start, end),
    write: async (path, bytes) => {
      if (fallen || !(bytes instanceof Uint8Array)) return memory.write(path, bytes)
      await disk.write(path, bytes).catch(async (thrown: Error) => {
        fallen = true
        notice(`Checkpoints are kept in memory from now on and end with this page: ${thrown.message}`)
        await memory.write(path, bytes)
      })
    },
    remove: async (path) => {
      if (await inMemory(path)) await memory.remove?.(path)
      else if (!fallen) await disk.remove?.(path)
    },
  }
}
