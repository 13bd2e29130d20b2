import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Files } from '../../src/io'
import { openHub } from '../../src/io'
import type { HubOptions, Pace } from '../../src/io/hub_types'
import { type HubServer, hubServer, type Repo } from './hub_server'

export const commit = '0123456789abcdef0123456789abcdef01234567'
export const bytes = (text: string) => new TextEncoder().encode(text)
export const text = (b: Uint8Array) => new TextDecoder().decode(b)
/** A file that is not all alike, so that a byte in the wrong place is seen. */
export const noise = (length: number) => Uint8Array.from({ length }, (_, i) => (i * i * 31 + (i >> 8) * 7 + i) & 255)

export const weights = noise(200_000)
export const small: Repo = {
  id: 'owner/small',
  commit,
  files: {
    'config.json': bytes('{"a":1}'),
    'model.safetensors': weights,
    'sub/folder/notes.txt': bytes('notes'),
    'empty.txt': new Uint8Array(),
  },
  large: ['model.safetensors'],
}

/** Quick, and so few attempts that a test sees the end of them; a busy machine may be silent for long. */
export const quick: Pace = { attempts: 3, firstWaitMs: 5, mostWaitMs: 2_500, silenceMs: 30_000 }

export interface Stand {
  server: HubServer
  cacheDir: string
  /** The repository's folder in the cache. */
  folder: string
  open(options?: HubOptions & { repoType?: 'model' | 'dataset' }, id?: string, pace?: Pace): Promise<Files>
  /** Requests for contents of files. */
  downloads(): { host: string; path: string; range?: string }[]
}

/** Server and empty cache for one test. */
export async function withHub(repos: Repo[], body: (stand: Stand) => Promise<void>, token?: string): Promise<void> {
  const server = await hubServer(repos, token)
  const cacheDir = mkdtempSync(join(tmpdir(), 'condlora-hub-'))
  const { id, type = 'model' } = repos[0]
  try {
    await body({
      server,
      cacheDir,
      folder: join(cacheDir, `${type}s--${id.replace('/', '--')}`),
      open: (options = {}, other = id, pace = quick) => openHub(other, { endpoint: server.url, cacheDir, token: false, ...options }, pace),
      downloads: () => server.seen.filter((s) => s.host === 'cdn' || s.path.includes('/resolve/')),
    })
  } finally {
    await server.close()
    rmSync(cacheDir, { recursive: true, force: true })
  }
}

/** Sets environment variables for the time of `body`; undefined takes one away. */
export async function withEnv<T>(values: Record<string, string | undefined>, body: () => Promise<T>): Promise<T> {
  const before = Object.fromEntries(Object.keys(values).map((name) => [name, process.env[name]]))
  const set = (all: Record<string, string | undefined>) => {
    for (const [name, value] of Object.entries(all)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
  set(values)
  try {
    return await body()
  } finally {
    set(before)
  }
}
