import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { checkPath, type Files } from './files'

/** A folder on disk. It need not exist: the first write makes it. */
export function openFolder(folder: string): Files {
  if (!folder || folder.includes('\0')) throw new Error(`openFolder: wanted the path of a folder, got ${JSON.stringify(folder)}`)
  const root = resolve(folder)
  const place = (path: string) => join(root, checkPath(path))
  return {
    name: folder,
    list: () => listFiles(root, folder),
    size: async (path) => {
      const found = await stat(place(path)).catch(absent(`${folder}/${path}`))
      return found?.isFile() ? found.size : undefined
    },
    read: (path, start = 0, end) => readRange(place(path), start, end, `${folder}/${path}`),
    write: (path, bytes) => writeSafely(place(path), bytes, `${folder}/${path}`),
    remove: (path) => removeFile(root, place(path), `${folder}/${path}`),
  }
}

export async function isFolder(path: string): Promise<boolean> {
  if (!path || path.includes('\0')) return false
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false
}

/** Folder and name of a file anywhere on disk. */
export function openFile(path: string): { files: Files; path: string } {
  return { files: openFolder(dirname(path)), path: basename(path) }
}

async function listFiles(root: string, folder: string): Promise<string[]> {
  try {
    const entries = await readdir(root, { recursive: true, withFileTypes: true })
    const found: string[] = []
    for (const e of entries) {
      const path = join(e.parentPath, e.name)
      // Links to files count: a hub cache is made of them.
      const isFile = e.isFile() || (e.isSymbolicLink() && (await stat(path).catch(() => undefined))?.isFile())
      if (isFile) found.push(path.slice(root.length).replaceAll('\\', '/').replace(/^\//, ''))
    }
    return found.sort()
  } catch (error) {
    throw new Error(`cannot list ${folder}: ${reason(error)}`)
  }
}

const absent = (name: string) => (error: unknown) => {
  if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
  throw new Error(`cannot read ${name}: ${reason(error)}`)
}

async function readRange(path: string, start: number, end: number | undefined, name: string): Promise<Uint8Array<ArrayBuffer>> {
  let file: FileHandle | undefined
  try {
    file = await open(path)
    const { size } = await file.stat()
    const stop = end ?? size
    if (stop > size) throw new Error(`the file ends at byte ${size}, wanted ${stop}`)
    const bytes = new Uint8Array(Math.max(0, stop - start))
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, 1 << 30), start + at)
      if (!bytesRead) throw new Error(`the file ends at byte ${start + at}, wanted ${stop}`)
      at += bytesRead
    }
    return bytes
  } catch (error) {
    throw new Error(`cannot read ${name}: ${reason(error)}`)
  } finally {
    await file?.close()
  }
}

let writes = 0

async function writeSafely(path: string, bytes: Uint8Array | AsyncIterable<Uint8Array>, name: string): Promise<void> {
  const temporary = `${path}.${process.pid}-${++writes}.tmp`
  try {
    await mkdir(dirname(path), { recursive: true })
    const file = await open(temporary, 'w')
    try {
      if (bytes instanceof Uint8Array) await file.writeFile(bytes)
      else for await (const piece of bytes) await file.writeFile(piece)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw new Error(`cannot write ${name}: ${reason(error)}`)
  }
}

async function removeFile(root: string, path: string, name: string): Promise<void> {
  try {
    await rm(path, { force: true })
    for (let parent = dirname(path); parent !== root; parent = dirname(parent)) await rmdir(parent)
  } catch (error) {
    // The folder holds other files, or was not there.
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return
    throw new Error(`cannot remove ${name}: ${reason(error)}`)
  }
}

/** So that a new name survives a power cut too; Windows cannot open folders and needs no such call. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder)
  await handle.sync().finally(() => handle.close())
}

export function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  const known: Record<string, string> = {
    ENOENT: 'there is no such file or folder',
    ENOTDIR: 'a part of the path is a file, not a folder',
    EEXIST: 'a part of the path is a file, not a folder',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    ENOSPC: 'the disk is full',
    EROFS: 'the file system is read-only',
    EISDIR: 'this is a folder',
    ENAMETOOLONG: 'the name is too long',
  }
  return (code && known[code]) || message
}
