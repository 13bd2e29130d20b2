import { checkPath, type Files } from './files'
import { type HubOptions, type Pace, type Repository, usualPace } from './hub_types'

/** Whether a name can be one on the hub: `owner/name` or `name`. */
export function isHubId(id: string): boolean {
  const parts = id.split('/')
  const plain = (part: string) => part.length <= 96 && /^\w(?:[\w.-]*\w)?$/.test(part) && !/--|\.\./.test(part)
  return parts.length <= 2 && parts.every(plain) && !id.endsWith('.git')
}

/**
 * The files of a repository on the hub. A file is fetched when it is first read, checked, and kept in the cache that
 * Python's huggingface_hub uses too; in a page in the browser's own file system.
 * @throws Error where there is no such repository or revision, it is gated, or the hub cannot be reached and the cache
 *   has nothing of it
 */
export async function openHub(
  id: string,
  options: HubOptions & { repoType?: Repository['type'] } = {},
  pace: Pace = usualPace,
): Promise<Files> {
  const { revision = 'main', repoType: type = 'model' } = options
  if (!isHubId(id)) throw new TypeError(`openHub: wanted a name on the hub such as owner/name, got ${JSON.stringify(id)}`)
  checkRevision(revision)
  const { openRepository } = await import('./hub_repository')
  const { list, size, read } = await openRepository({ id, type, revision }, options, pace)
  const write = async () => {
    throw new Error(`${id}: files on the hub cannot be written here; save to a folder`)
  }
  return { name: id, list, size, read, write }
}

/** It becomes a path below refs/. */
function checkRevision(revision: string): void {
  try {
    checkPath(revision)
  } catch {
    throw new TypeError(`openHub: revision: wanted a branch, a tag or a commit, got ${JSON.stringify(revision)}`)
  }
}
