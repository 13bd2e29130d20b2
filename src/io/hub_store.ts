import { checkPath, type Files, readJson } from './files'
import type { HubClient } from './hub_client'
import { isCommit, listingFromJson, listingToJson } from './hub_listing'
import type { HubEntry, HubOptions, Listing, Repository } from './hub_types'

/** Where the bytes of a repository are kept. */
export interface HubStore {
  /** What it is called in messages. */
  readonly name: string
  /** The commit that the revision stood for when a file of it was last fetched, if it has files of it. */
  commit(): Promise<string | undefined>
  listing(commit: string): Promise<Listing | undefined>
  keepListing(commit: string, listing: Listing): Promise<void>
  /** The files of a commit, fetched as they are read; without a client or a listing only those that are there. */
  files(commit: string, listing?: Listing, client?: HubClient, told?: Told): Pick<Files, 'list' | 'size' | 'read'>
}

export type OpenStore = (repo: Repository, cacheDir?: string) => Promise<HubStore>
export type Told = Pick<HubOptions, 'progress' | 'notice'>

/** What is known of a repository besides its files: refs/ with the commit of each revision, trees/ with each commit's listing. */
export class Records {
  #kept = ''

  constructor(
    readonly files: Files,
    readonly repo: Repository,
  ) {}

  /** The commit that the revision stood for. */
  async commit(): Promise<string | undefined> {
    const { revision } = this.repo
    const commit = isCommit(revision) ? revision : await this.#ref()
    return isCommit(commit) ? commit : undefined
  }

  async keepCommit(commit: string): Promise<void> {
    const { revision } = this.repo
    if (revision === commit || this.#kept === commit) return
    if ((await this.#ref()) !== commit) await this.files.write(`refs/${revision}`, new TextEncoder().encode(commit))
    this.#kept = commit
  }

  async listing(commit: string): Promise<Listing | undefined> {
    return readJson(this.files, tree(commit)).then(listingFromJson, () => undefined)
  }

  async keepListing(commit: string, listing: Listing): Promise<void> {
    const text = JSON.stringify(listingToJson(listing), null, 1)
    // It only saves a request: a cache that one may not write to is still read.
    await this.files.write(tree(commit), new TextEncoder().encode(text)).catch(() => {})
  }

  async #ref(): Promise<string> {
    const ref = await this.files.read(`refs/${this.repo.revision}`).catch(() => new Uint8Array())
    return new TextDecoder().decode(ref).trim()
  }
}

const tree = (commit: string) => `trees/${commit}.json`

/**
 * Files that are fetched as a whole when they are first read.
 * @param fetched sees to it that a file is there and tells how it is read; reads at the same time share a call
 */
export function fetchedFiles(
  id: string,
  listing: Listing,
  fetched: (path: string, entry: HubEntry) => Promise<(start?: number, end?: number) => Promise<Uint8Array<ArrayBuffer>>>,
): Pick<Files, 'list' | 'size' | 'read'> {
  const pending = new Map<string, ReturnType<typeof fetched>>()
  return {
    list: async () => [...listing.keys()],
    size: async (path) => listing.get(checkPath(path))?.size,
    read: async (path, start, end) => {
      const entry = listing.get(checkPath(path))
      if (!entry) throw new Error(`${id}: there is no file ${path}`)
      const fetching = pending.get(path) ?? fetched(path, entry)
      pending.set(path, fetching)
      const read = await fetching.finally(() => pending.delete(path))
      return read(start, end)
    },
  }
}

export const notThere = (name: string, store: string): Error =>
  new Error(`${name}: the file is not in ${store}, and the hub is not asked or not reached: run once with the network`)
