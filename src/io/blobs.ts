import { checkPath, type Files } from './files'

/**
 * Files that a user dropped or chose, read in ranges as they are asked for, never as a whole: `<input type=file>` with
 * `webkitdirectory` or without, or blobs by name.
 * @param files File objects, whose names begin below the chosen folder; or pairs of path and Blob
 * @throws Error where a name leaves the folder
 */
export function blobFiles(name: string, files: Iterable<File | readonly [string, Blob]>): Files {
  const blobs = new Map<string, Blob>()
  for (const file of files) {
    const [path, blob] = file instanceof Blob ? [belowFolder(file), file] : file
    blobs.set(checkPath(path), blob)
  }
  return {
    name,
    list: async () => [...blobs.keys()].sort(),
    size: async (path) => blobs.get(checkPath(path))?.size,
    read: async (path, start, end) => {
      const blob = blobs.get(checkPath(path))
      if (!blob) throw new Error(`${name}: there is no file ${path}`)
      return readBlob(blob, start, end).catch((thrown) => {
        throw new Error(`cannot read ${name}/${path}: ${(thrown as Error).message}`)
      })
    },
    write: async () => {
      throw new Error(`${name}: files that were dropped or chosen cannot be written; save to a folder (openFolder)`)
    },
  }
}

/** `webkitRelativePath` begins with the name of the chosen folder. */
export const belowFolder = ({ webkitRelativePath, name }: File) => webkitRelativePath?.replace(/^[^/]*\//, '') || name

/**
 * What was dropped on a page: one folder with all that is in it, or loose files. Call it in the handler of the event
 * itself, whose items are gone afterwards.
 * @param items `event.dataTransfer.items`
 */
export async function droppedFiles(items: DataTransferItemList): Promise<Files> {
  const entries = Array.from(items, (item) => item.webkitGetAsEntry()).filter((entry) => entry !== null)
  const only = entries.length === 1 ? entries[0] : undefined
  const found: [string, File][] = []
  for (const entry of entries) await collectEntry(entry, only?.isDirectory ? '' : entry.name, found)
  return blobFiles(only?.name ?? 'the dropped files', found)
}

/** The files of a dropped entry and of all folders below it, each with its path. */
export async function collectEntry(entry: FileSystemEntry, path: string, found: [string, File][]): Promise<void> {
  if (entry.isFile) {
    found.push([path, await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))])
    return
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader()
  for (;;) {
    // A hundred at a time; none when all were given.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (!some.length) return
    for (const each of some) await collectEntry(each, path ? `${path}/${each.name}` : each.name, found)
  }
}

/** Bytes [start, end) of a blob; the whole by default. */
export async function readBlob(blob: Blob, start = 0, end = blob.size): Promise<Uint8Array<ArrayBuffer>> {
  if (end > blob.size) throw new Error(`the file ends at byte ${blob.size}, wanted ${end}`)
  return new Uint8Array(await blob.slice(start, Math.max(start, end)).arrayBuffer())
}
