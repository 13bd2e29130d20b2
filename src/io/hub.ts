import { checkPath, type Files } from './files'
import { type HubClient, openClient } from './hub_client'
import { askCommit, askListing, isCommit } from './hub_listing'
import { env } from './hub_platform.node'
import type { HubStore } from './hub_store'
import { openStore } from './hub_store.node'
import { HubError, type HubOptions, type Listing, type Pace, type Repository, usualPace } from './hub_types'

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
  const repo = { id, type, revision }
  const store = await openStore(repo, options.cacheDir)
  const offline = options.localFilesOnly ?? /^(1|on|yes|true)$/i.test(env.HF_HUB_OFFLINE ?? '')
  const found = offline ? await inCache(store, repo) : await onHub(store, await openClient(repo, options, pace), options)
  const { list, size, read } = store.files(found.commit, found.listing, found.client, options)
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

interface Found {
  commit: string
  listing?: Listing
  client?: HubClient
}

async function inCache(store: HubStore, { id, type, revision }: Repository): Promise<Found> {
  const commit = await store.commit()
  if (commit === undefined)
    throw new Error(
      `nothing of the ${type} ${id}, revision ${revision}, is in ${store.name}, and the network is not allowed (localFilesOnly or HF_HUB_OFFLINE): run once with it`,
    )
  return { commit, listing: await store.listing(commit) }
}

async function onHub(store: HubStore, client: HubClient, { notice = console.warn }: HubOptions): Promise<Found> {
  const { repo } = client
  try {
    const commit = isCommit(repo.revision) ? repo.revision : await askCommit(client)
    const kept = await store.listing(commit)
    if (kept) return { commit, listing: kept, client }
    const listing = await askListing(client, commit)
    await store.keepListing(commit, listing)
    return { commit, listing, client }
  } catch (thrown) {
    const commit = thrown instanceof HubError && thrown.passing ? await store.commit() : undefined
    if (commit === undefined) throw thrown
    notice(`${(thrown as Error).message}. Going on with ${repo.id}, commit ${commit}, from ${store.name}`)
    return { commit, listing: await store.listing(commit) }
  }
}
