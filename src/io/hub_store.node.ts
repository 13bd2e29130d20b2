import { copyFile, mkdir, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import type { Files } from './files'
import { isFolder, openFolder, reason } from './folder.node'
import type { HubClient } from './hub_client'
import { withLock } from './hub_lock.node'
import { filePart } from './hub_part.node'
import { hubFolder } from './hub_platform.node'
import { fetchedFiles, type HubStore, notThere, type OpenStore, Records, type Told } from './hub_store'
import { download, wantedHash } from './hub_transfer'
import { folderOf, type HubEntry, type Listing, type Repository } from './hub_types'

/** The cache of Python's huggingface_hub: blobs/ by hash, snapshots/<commit>/ with links to them, refs/, trees/. */
export const openStore: OpenStore = async (repo, cacheDir) => {
  const cache = await hubFolder(cacheDir)
  const folder = folderOf(repo)
  return new Cache(repo, join(cache, folder), join(cache, '.locks', folder), `the cache ${cache}`)
}

class Cache implements HubStore {
  readonly #folder: string
  readonly #locks: string
  readonly #records: Records

  constructor(
    readonly repo: Repository,
    folder: string,
    locks: string,
    readonly name: string,
  ) {
    this.#folder = folder
    this.#locks = locks
    this.#records = new Records(openFolder(folder), repo)
  }

  async commit(): Promise<string | undefined> {
    const commit = await this.#records.commit()
    return commit !== undefined && (await isFolder(this.#snapshot(commit))) ? commit : undefined
  }

  listing(commit: string): Promise<Listing | undefined> {
    return this.#records.listing(commit)
  }

  keepListing(commit: string, listing: Listing): Promise<void> {
    return this.#records.keepListing(commit, listing)
  }

  files(commit: string, listing?: Listing, client?: HubClient, told: Told = {}): Pick<Files, 'list' | 'size' | 'read'> {
    const there = openFolder(this.#snapshot(commit))
    if (!listing) return there
    return fetchedFiles(this.repo.id, listing, async (path, entry) => {
      await this.#ensure(commit, path, entry, client, told)
      return (start, end) => there.read(path, start, end)
    })
  }

  /** Sees to it that the file is there, whole, by its name. */
  async #ensure(commit: string, path: string, entry: HubEntry, client: HubClient | undefined, { progress }: Told): Promise<void> {
    const link = join(this.#snapshot(commit), path)
    if (await isWhole(link, entry)) {
      // A cache that one may not write to is still read.
      if (client) await this.#records.keepCommit(commit).catch(() => {})
      return
    }
    const { id } = this.repo
    const name = `${id}/${path}`
    if (!client) throw notThere(name, this.name)
    const hash = wantedHash(entry)
    const blob = join(this.#folder, 'blobs', hash)
    const told = (done: number) => progress?.({ repository: id, file: path, done, total: entry.size })
    try {
      await mkdir(dirname(blob), { recursive: true })
      await this.#records.keepCommit(commit)
      // Not <hash>.lock: that is Python's, which leaves the file behind.
      await withLock(join(this.#locks, `${hash}.condlora.lock`), async () => {
        if (await isWhole(blob, entry)) return
        await download({ client, url: client.fileUrl(commit, path), entry, part: filePart(blob, entry), name, progress: told })
      })
      await makeLink(blob, link)
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code ? new Error(`cannot write ${name} to ${this.#folder}: ${reason(error)}`) : error
    }
  }

  #snapshot(commit: string): string {
    return join(this.#folder, 'snapshots', commit)
  }
}

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
