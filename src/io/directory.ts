import { readBlob } from './blobs'
import { checkPath, type Files } from './files'

/** The directory at hand; `create` makes it where there is none. */
export type OpenDirectory = (create: boolean) => Promise<FileSystemDirectoryHandle>

/**
 * A folder that a user gave to a page, by `showDirectoryPicker()` or otherwise. Where the browser cannot rename files
 * there, a crash in the middle of a write may leave a file that is new empty; an old one stays as it was.
 */
export function directoryFiles(handle: FileSystemDirectoryHandle, name: string = handle.name || 'the folder'): Files {
  return filesOf(async () => handle, name)
}

/** Files below a directory handle, which is asked for at each call. */
export function filesOf(open: OpenDirectory, name: string): Files {
  const parent = async (path: string, create = false) => ({ folder: await enter(await open(create), path, create), file: baseName(path) })
  const find = async (path: string): Promise<File | undefined> => {
    checkPath(path)
    try {
      const { folder, file } = await parent(path)
      return await (await folder.getFileHandle(file)).getFile()
    } catch (thrown) {
      if (isAbsent(thrown)) return undefined
      throw new Error(`cannot read ${name}/${path}: ${reason(thrown)}`)
    }
  }
  return {
    name,
    list: async () => {
      const found: string[] = []
      await open(false)
        .then((folder) => list(folder, '', found))
        .catch(fails(`list ${name}`))
      return found.sort()
    },
    size: async (path) => (await find(path))?.size,
    read: async (path, start, end) => {
      const file = await find(path)
      if (!file) throw new Error(`cannot read ${name}/${path}: there is no such file or folder`)
      return readBlob(file, start, end).catch(fails(`read ${name}/${path}`))
    },
    write: async (path, bytes) => {
      checkPath(path)
      await parent(path, true)
        .then(async ({ folder, file }) => (await import('./directory_write')).write(folder, file, bytes))
        .catch(async (thrown) => {
          throw new Error(`cannot write ${name}/${path}: ${isFull(thrown) ? await noRoom(bytes) : reason(thrown)}`, { cause: thrown })
        })
    },
    remove: async (path) => {
      checkPath(path)
      try {
        await remove(await open(false), path.split('/'))
      } catch (thrown) {
        if (!isAbsent(thrown)) throw new Error(`cannot remove ${name}/${path}: ${reason(thrown)}`)
      }
    },
  }
}

const baseName = (path: string) => path.slice(path.lastIndexOf('/') + 1)

/** The folder that the path's last part lies in. */
async function enter(root: FileSystemDirectoryHandle, path: string, create: boolean): Promise<FileSystemDirectoryHandle> {
  let folder = root
  for (const part of path.split('/').slice(0, -1)) folder = await folder.getDirectoryHandle(part, { create })
  return folder
}

async function list(folder: FileSystemDirectoryHandle, prefix: string, found: string[]): Promise<void> {
  for await (const [name, entry] of folder.entries()) {
    if (entry.kind === 'file') found.push(prefix + name)
    else await list(entry, `${prefix}${name}/`, found)
  }
}

/** Also the folders that are empty then. */
async function remove(folder: FileSystemDirectoryHandle, [first, ...rest]: string[]): Promise<void> {
  if (rest.length) await remove(await folder.getDirectoryHandle(first), rest)
  else if ((await folder.getFileHandle(first)).kind !== 'file') return
  await folder.removeEntry(first).catch((thrown) => {
    // The folder holds other files.
    if ((thrown as DOMException).name !== 'InvalidModificationError') throw thrown
  })
}

/** Whether a write failed for want of room. */
export function isFull(thrown: unknown): boolean {
  const { name, cause } = thrown as Error
  return name === 'QuotaExceededError' || (cause as Error | undefined)?.name === 'QuotaExceededError'
}

async function noRoom(bytes: Uint8Array | AsyncIterable<Uint8Array>): Promise<string> {
  return shortage(bytes instanceof Uint8Array ? ` for its ${megabytes(bytes.length)}` : '', await estimate())
}

/** What to tell where the browser says beforehand that so many bytes have no room. */
export async function room(bytes: number): Promise<string | undefined> {
  const found = await estimate()
  return found.quota && found.quota - found.usage < bytes ? shortage(` for its ${megabytes(bytes)}`, found) : undefined
}

async function estimate(): Promise<{ quota: number; usage: number }> {
  const { quota = 0, usage = 0 } = (await navigator.storage?.estimate?.().catch(() => undefined)) ?? {}
  return { quota, usage }
}

function shortage(its: string, { quota, usage }: { quota: number; usage: number }): string {
  const free = quota ? ` (of ${megabytes(quota)} for this site ${megabytes(quota - usage)} are free)` : ''
  return `there is no room${its}${free}: remove models or runs that this page keeps, or free space on the disk`
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`

const isAbsent = (thrown: unknown) => ['NotFoundError', 'TypeMismatchError'].includes((thrown as DOMException).name)

const fails = (what: string) => (thrown: unknown) => {
  throw new Error(`cannot ${what}: ${reason(thrown)}`)
}

function reason(thrown: unknown): string {
  const { name, message } = thrown as DOMException
  const known: Record<string, string> = {
    NotFoundError: 'there is no such file or folder',
    TypeMismatchError: 'a part of the path is a file, not a folder',
    NotAllowedError: 'the browser has no permission for it: choose the folder again',
    NoModificationAllowedError: 'the file is in use, perhaps by another tab of this page',
  }
  return known[name] ?? message
}
