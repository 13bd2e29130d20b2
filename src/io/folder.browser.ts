import { filesOf } from './directory'
import { checkPath, type Files } from './files'

/** A folder in the browser's own file system (OPFS), which this site alone sees. It need not exist: the first write makes it. */
export function openFolder(folder: string): Files {
  if (!folder) throw new Error('openFolder: wanted the path of a folder, got ""')
  const parts = partsOf(folder)
  return filesOf((create) => enter(parts, create), folder)
}

export async function isFolder(path: string): Promise<boolean> {
  return enter(partsOf(path), false).then(
    () => true,
    () => false,
  )
}

/** Folder and name of a file in the browser's own file system. */
export function openFile(path: string): { files: Files; path: string } {
  const at = path.lastIndexOf('/')
  return { files: openFolder(path.slice(0, at + 1) || '.'), path: path.slice(at + 1) }
}

/** `.`, `/` and the like are the root. */
function partsOf(folder: string): string[] {
  const parts = folder.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.length) checkPath(parts.join('/'))
  return parts
}

async function enter(parts: string[], create: boolean): Promise<FileSystemDirectoryHandle> {
  let folder = await storage()
  for (const part of parts) folder = await folder.getDirectoryHandle(part, { create })
  return folder
}

async function storage(): Promise<FileSystemDirectoryHandle> {
  try {
    return await navigator.storage.getDirectory()
  } catch (thrown) {
    throw new Error(
      `this page has no storage of its own (${(thrown as Error).message}): open it over https or from localhost, and not in a private window`,
    )
  }
}
