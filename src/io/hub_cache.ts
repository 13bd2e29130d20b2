import { isFolder, openFolder } from './folder.node'
import { hubFolder } from './hub_platform.node'
import { folderOf, type Repository } from './hub_types'

/** A repository of the hub of which something is kept. */
export interface CachedRepository {
  /** As on the hub: `owner/name`. */
  repository: string
  type: Repository['type']
  /** What it takes, downloads that broke off included. */
  bytes: number
}

/**
 * What of the hub is kept: in Node in the cache that Python's huggingface_hub uses too, in a page in the browser's own
 * file system.
 * @param cacheDir as `HubOptions` has it
 */
export async function cachedRepositories({ cacheDir }: { cacheDir?: string } = {}): Promise<CachedRepository[]> {
  const cache = await hubFolder(cacheDir)
  if (!(await isFolder(cache))) return []
  const files = openFolder(cache)
  const found = new Map<string, CachedRepository>()
  for (const path of await files.list()) {
    const [folder, room] = path.split('/')
    const [, type, id] = folder.match(/^(model|dataset)s--(.+)$/) ?? []
    if (!id) continue
    const repository = found.get(folder) ?? { repository: id.replace('--', '/'), type: type as Repository['type'], bytes: 0 }
    // In Node snapshots/ holds links to what is in blobs/.
    if (room === 'blobs') repository.bytes += (await files.size(path)) ?? 0
    found.set(folder, repository)
  }
  return [...found.values()]
}

/**
 * Deletes what is kept of a repository; the next load downloads it again.
 * @param id `owner/name`
 */
export async function removeCached(
  id: string,
  { type = 'model', cacheDir }: { type?: Repository['type']; cacheDir?: string } = {},
): Promise<void> {
  const cache = await hubFolder(cacheDir)
  if (!(await isFolder(cache))) return
  const files = openFolder(cache)
  const folder = `${folderOf({ id, type })}/`
  for (const path of await files.list()) if (path.startsWith(folder)) await files.remove?.(path)
}
