import type { Files } from './files'
import { openFolder } from './folder.browser'
import type { HubClient } from './hub_client'
import { NotKept, Pieces } from './hub_part.browser'
import { hubFolder } from './hub_platform.browser'
import { fetchedFiles, type HubStore, notThere, type OpenStore, Records, type Told } from './hub_store'
import { download, wantedHash } from './hub_transfer'
import { folderOf, type HubEntry, type Listing, type Repository } from './hub_types'

/** In the browser's own file system: blobs/ by hash, in pieces; refs/ and trees/ as in the cache of Python's huggingface_hub. */
export const openStore: OpenStore = async (repo, cacheDir) => new PageCache(repo, `${await hubFolder(cacheDir)}/${folderOf(repo)}`)

class PageCache implements HubStore {
  readonly name = "this page's storage"
  readonly #folder: string
  readonly #records: Records
  readonly #told = new Set<string>()

  constructor(
    readonly repo: Repository,
    folder: string,
  ) {
    this.#folder = folder
    this.#records = new Records(openFolder(folder), repo)
  }

  async commit(): Promise<string | undefined> {
    const commit = await this.#records.commit()
    return commit !== undefined && (await this.listing(commit)) ? commit : undefined
  }

  listing(commit: string): Promise<Listing | undefined> {
    return this.#records.listing(commit)
  }

  keepListing(commit: string, listing: Listing): Promise<void> {
    return this.#records.keepListing(commit, listing)
  }

  files(commit: string, listing?: Listing, client?: HubClient, told: Told = {}): Pick<Files, 'list' | 'size' | 'read'> {
    const { id } = this.repo
    if (!listing) throw new Error(`nothing of ${id}, commit ${commit}, is in ${this.name}`)
    // By path: how a file is read, once that is known.
    const known = new Map<string, (start?: number, end?: number) => Promise<Uint8Array<ArrayBuffer>>>()
    return fetchedFiles(id, listing, async (path, entry) => {
      const read = known.get(path) ?? (await this.#fetched(commit, path, entry, client, told))
      known.set(path, read)
      return read
    })
  }

  async #fetched(commit: string, path: string, entry: HubEntry, client: HubClient | undefined, { progress, notice = console.warn }: Told) {
    const { id } = this.repo
    const name = `${id}/${path}`
    const part = new Pieces(`${this.#folder}/blobs/${wantedHash(entry)}`, entry)
    const kept = async (start?: number, end?: number) => part.read(start, end).catch(named(name))
    if (await part.isWhole()) {
      if (client) await this.#records.keepCommit(commit).catch(() => {})
      return kept
    }
    if (!client) throw notThere(name, this.name)
    const url = client.fileUrl(commit, path)
    const told = (done: number) => progress?.({ repository: id, file: path, done, total: entry.size })
    try {
      await this.#records.keepCommit(commit).catch((thrown) => {
        throw new NotKept((thrown as Error).message)
      })
      await alone(`condlora ${this.#folder} ${wantedHash(entry)}`, async () => {
        if (!(await part.isWhole())) await download({ client, url, entry, part, name, progress: told })
      })
      if (await part.isWhole()) return kept
      throw new NotKept('what was kept of it has gone')
    } catch (thrown) {
      if (!(thrown instanceof NotKept)) throw thrown
      await part.remove().catch(() => {})
      if (!this.#told.has(thrown.message))
        notice(`${name} is not kept in ${this.name}: ${thrown.message}. It is read from the hub in ranges, anew each time`)
      this.#told.add(thrown.message)
      return (start?: number, end?: number) => readRange(client, url, name, entry.size, start, end)
    }
  }
}

const named = (name: string) => (thrown: unknown) => {
  throw new Error(`${name}: ${(thrown as Error).message}`)
}

/** While no other tab or worker of the site does the same. */
function alone(name: string, work: () => Promise<void>): Promise<void> {
  return navigator.locks ? navigator.locks.request(name, work) : work()
}

async function readRange(client: HubClient, url: string, name: string, size: number, start = 0, end = size) {
  const stop = Math.max(start, end)
  if (stop > size) throw new Error(`${name}: the file ends at byte ${size}, wanted ${stop}`)
  if (stop === start) return new Uint8Array(0)
  const whole = start === 0 && stop === size
  const { response, bytes } = await client.bytes(url, whole ? {} : { Range: `bytes=${start}-${stop - 1}` }, stop - start, name)
  if (!whole && response.status !== 206) throw new Error(`${name}: wanted bytes ${start} to ${stop}, but the hub sends whole files only`)
  if (bytes.length !== stop - start) throw new Error(`${name}: wanted ${stop - start} bytes, got ${bytes.length}`)
  return bytes
}
