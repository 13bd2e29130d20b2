/** How far the download of one file is; the time left is the caller's to tell. */
export interface HubProgress {
  /** The repository's id. */
  repository: string
  file: string
  /** Bytes that are there, those of an earlier attempt included. */
  done: number
  total: number
}

/** Names and meanings are transformers'. */
export interface HubOptions {
  /** A branch, a tag or a commit. Default 'main'. */
  revision?: string
  /** For private and gated repositories; goes to the endpoint's own host only. Default: HF_TOKEN; false sends none. */
  token?: string | false
  /**
   * Default: HF_HUB_CACHE, else hub/ in HF_HOME, else what Python's huggingface_hub takes; one cache with it. In a page: a
   * folder of the browser's own file system, default condlora/hub.
   */
  cacheDir?: string
  /** Only what is in the cache: no network. Default: HF_HUB_OFFLINE. */
  localFilesOnly?: boolean
  /** A mirror of the hub. Default: HF_ENDPOINT, else the public hub. */
  endpoint?: string
  /** Called as bytes of a file arrive. */
  progress?: (event: HubProgress) => void
  /** Gets what one should know, e.g. that the hub cannot be reached and the cache is used. Default: console.warn. */
  notice?: (text: string) => void
}

export interface Repository {
  id: string
  type: 'model' | 'dataset'
  revision: string
}

/** A repository's folder in the cache, as Python's huggingface_hub names it. */
export const folderOf = ({ id, type }: Omit<Repository, 'revision'>): string => `${type}s--${id.replace('/', '--')}`

/** A file as the hub lists it, with the fields of Python's cached listings. */
export interface HubEntry {
  size: number
  /** sha1 that git gives the file (of a large file: of its pointer). */
  blobId: string
  /** Large files only. */
  sha256?: string
  xetHash?: string
}

/** All files of one commit by path. */
export type Listing = ReadonlyMap<string, HubEntry>

/** How often and how long; tests shorten it. */
export interface Pace {
  attempts: number
  /** Before the second attempt; doubled each time. */
  firstWaitMs: number
  /** A server that asks for more is not waited for. */
  mostWaitMs: number
  /** Without a byte. */
  silenceMs: number
}

export const usualPace: Pace = { attempts: 5, firstWaitMs: 500, mostWaitMs: 60_000, silenceMs: 30_000 }

/** An answer of the hub that is none; `status` is undefined where nothing answered. */
export class HubError extends Error {
  override name = 'HubError'
  constructor(
    message: string,
    readonly status?: number,
  ) {
    super(message)
  }

  /** Whether the hub is away or busy, not the request wrong. */
  get passing(): boolean {
    return this.status === undefined || isPassing(this.status)
  }
}

/** A body that breaks off: worth another attempt. */
export class BrokenOff extends Error {}

export const isPassing = (status: number): boolean => status === 408 || status === 429 || status >= 500
