import type { Files } from './files'
import type { HubClient } from './hub_client'
import type { HubProgress, Listing, Repository } from './hub_types'

/** Where the bytes of a repository are kept: a cache on disk, or nowhere. */
export interface HubStore {
  /** What it is called in messages. */
  readonly name: string
  /** The commit that the revision stood for when a file of it was last fetched, if it has files of it. */
  commit(): Promise<string | undefined>
  listing(commit: string): Promise<Listing | undefined>
  keepListing(commit: string, listing: Listing): Promise<void>
  /** The files of a commit, fetched as they are read; without a client or a listing only those that are there. */
  files(
    commit: string,
    listing?: Listing,
    client?: HubClient,
    progress?: (event: HubProgress) => void,
  ): Pick<Files, 'list' | 'size' | 'read'>
}

export type OpenStore = (repo: Repository, cacheDir?: string) => Promise<HubStore>
