import type { Files } from './files'

/** A page has no folders of its own. */
export function openFolder(folder: string): Files {
  throw new Error(
    `a page cannot open the folder ${JSON.stringify(folder)}: give a Files object (memoryFiles, or one of your own) instead of a path`,
  )
}

export async function isFolder(): Promise<boolean> {
  return false
}

/** A page has no files of its own. */
export function openFile(path: string): { files: Files; path: string } {
  throw new Error(
    `a page cannot open the file ${JSON.stringify(path)}: give { files, path } with a Files object (e.g. memoryFiles) instead`,
  )
}
