import type { Files } from './files'
import { type HubClient, openClient } from './hub_client'
import { askCommit, askListing, isCommit } from './hub_listing'
import { env } from './hub_platform.node'
import type { HubStore } from './hub_store'
import { openStore } from './hub_store.node'
import { HubError, type HubOptions, type Listing, type Pace, type Repository } from './hub_types'

/** The files of one commit; loaded when a hub is first asked. */
export async function openRepository(repo: Repository, options: HubOptions, pace: Pace): Promise<Pick<Files, 'list' | 'size' | 'read'>> {
  const store = await openStore(repo, options.cacheDir)
  const offline = options.localFilesOnly ?? /^(1|on|yes|true)$/i.test(env.HF_HUB_OFFLINE ?? '')
  const found = offline ? await inCache(store, repo) : await onHub(store, await openClient(repo, options, pace), options)
  return store.files(found.commit, found.listing, found.client, options)
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
