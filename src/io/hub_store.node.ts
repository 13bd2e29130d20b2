import { copyFile, mkdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { checkPath, type Files, readJson } from './files'
import { isFolder, openFolder, reason } from './folder.node'
import type { HubClient } from './hub_client'
import { isCommit, listingFromJson, listingToJson } from './hub_listing'
import { withLock } from './hub_lock.node'
import { hubPackage } from './hub_platform.node'
import type { HubStore, OpenStore } from './hub_store'
import { download } from './hub_transfer.node'
import type { HubEntry, HubProgress, Listing, Repository } from './hub_types'

/** The cache of Python's huggingface_hub: blobs/ by hash, snapshots/<commit>/ with links to them, refs/, trees/. */
export const openStore: OpenStore = async (repo, cacheDir) => {
  const { getHFHubCachePath, getRepoFolderName } = await hubPackage()
  const cache = cacheDir ?? getHFHubCachePath()
  if (!cache) throw new TypeError('cacheDir, or HF_HUB_CACHE: wanted a folder, got an empty name')
  const folder = getRepoFolderName({ type: repo.type, name: repo.id })
  return new Cache(repo, join(cache, folder), join(cache, '.locks', folder), `the cache ${cache}`)
}

class Cache implements HubStore {
  readonly #repo: Repository
  readonly #folder: string
  readonly #locks: string
  readonly #files: Files
  readonly #pending = new Map<string, Promise<void>>()
  #refKept = ''

  constructor(
    repo: Repository,
    folder: string,
    locks: string,
    readonly name: string,
  ) {
    this.#repo = repo
    this.#folder = folder
    this.#locks = locks
    this.#files = openFolder(folder)
  }

  async commit(): Promise<string | undefined> {
    const { revision } = this.#repo
    const ref = isCommit(revision) ? revision : await readFile(join(this.#folder, 'refs', revision), 'utf8').catch(() => '')
    const commit = ref.trim()
    return isCommit(commit) && (await isFolder(this.#snapshot(commit))) ? commit : undefined
  }

  async listing(commit: string): Promise<Listing | undefined> {
    return readJson(this.#files, tree(commit)).then(listingFromJson, () => undefined)
  }

  async keepListing(commit: string, listing: Listing): Promise<void> {
    const text = JSON.stringify(listingToJson(listing), null, 1)
    // It only saves a request: a cache that one may not write to is still read.
    await this.#files.write(tree(commit), new TextEncoder().encode(text)).catch(() => {})
  }

  files(
    commit: string,
    listing?: Listing,
    client?: HubClient,
    progress?: (event: HubProgress) => void,
  ): Pick<Files, 'list' | 'size' | 'read'> {
    const there = openFolder(this.#snapshot(commit))
    if (!listing) return there
    const { id } = this.#repo
    return {
      list: async () => [...listing.keys()],
      size: async (path) => listing.get(checkPath(path))?.size,
      read: async (path, start, end) => {
        const entry = listing.get(checkPath(path))
        if (!entry) throw new Error(`${id}: there is no file ${path}`)
        const fetching = this.#pending.get(path) ?? this.#ensure(commit, path, entry, client, progress)
        this.#pending.set(path, fetching)
        await fetching.finally(() => this.#pending.delete(path))
        return there.read(path, start, end)
      },
    }
  }

  /** Sees to it that the file is there, whole, by its name. */
  async #ensure(commit: string, path: string, entry: HubEntry, client?: HubClient, progress?: (event: HubProgress) => void): Promise<void> {
    const link = join(this.#snapshot(commit), path)
    if (await isWhole(link, entry)) {
      // A cache that one may not write to is still read.
      if (client) await this.#keepRef(commit).catch(() => {})
      return
    }
    const { id } = this.#repo
    if (!client)
      throw new Error(`${id}/${path}: the file is not in ${this.name}, and the hub is not asked or not reached: run once with the network`)
    const hash = entry.sha256 ?? entry.blobId
    const blob = join(this.#folder, 'blobs', hash)
    const told = (done: number) => progress?.({ repository: id, file: path, done, total: entry.size })
    try {
      await mkdir(dirname(blob), { recursive: true })
      await this.#keepRef(commit)
      // Not <hash>.lock: that is Python's, which leaves the file behind.
      await withLock(join(this.#locks, `${hash}.condlora.lock`), async () => {
        if (await isWhole(blob, entry)) return
        await download({ client, url: client.fileUrl(commit, path), entry, path: blob, name: `${id}/${path}`, progress: told })
      })
      await makeLink(blob, link)
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code ? new Error(`cannot write to ${this.#folder}: ${reason(error)}`) : error
    }
  }

  async #keepRef(commit: string): Promise<void> {
    const { revision } = this.#repo
    if (revision === commit || this.#refKept === commit) return
    const kept = await readFile(join(this.#folder, 'refs', revision), 'utf8').catch(() => '')
    if (kept !== commit) await this.#files.write(`refs/${revision}`, new TextEncoder().encode(commit))
    this.#refKept = commit
  }

  #snapshot(commit: string): string {
    return join(this.#folder, 'snapshots', commit)
  }
}

const tree = (commit: string) => `trees/${commit}.json`

/** Its hash was checked when it came; the size tells a file that was cut since. */
async function isWhole(path: string, { size }: HubEntry): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() === true && found.size === size
}

let links = 0

/** A relative link, so that the cache can be moved; a copy where there are no links (Windows). */
async function makeLink(blob: string, link: string): Promise<void> {
  const temporary = `${link}.${process.pid}-${++links}.tmp`
  await mkdir(dirname(link), { recursive: true })
  try {
    await symlink(relative(dirname(link), blob), temporary).catch(() => copyFile(blob, temporary))
    await rename(temporary, link)
  } finally {
    await rm(temporary, { force: true })
  }
}
