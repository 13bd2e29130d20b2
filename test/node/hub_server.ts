// A stand-in for the hub on the loopback interface: the API calls and downloads that the library makes, and a second
// server as the host that large files are redirected to. Faults are put in by tests.
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Repo {
  id: string
  type?: 'model' | 'dataset'
  commit: string
  /** Branches and tags; main is the commit unless said otherwise. */
  refs?: Record<string, string>
  files: Record<string, Uint8Array>
  /** Names of files that are stored as large ones. */
  large?: string[]
  gated?: boolean
  /** What the list of files says instead. */
  listed?: (entries: Listed[]) => Listed[]
}

export interface Listed {
  type: string
  path: string
  size: number
  oid: string
  lfs?: { oid: string; size: number; pointerSize: number }
}

export interface Seen {
  host: 'hub' | 'cdn'
  /** Without the query. */
  path: string
  range?: string
  authorization?: string
}

export type Fault = (
  request: Seen,
) => undefined | { status?: number; headers?: Record<string, string>; body?: Uint8Array; cutAt?: number; pauseMs?: number; hang?: true }

export interface HubServer {
  url: string
  seen: Seen[]
  /** Looked at for every request. */
  fault: Fault | undefined
  close(): Promise<void>
}

export const gitHash = (bytes: Uint8Array) => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

const pageSize = 3

export async function hubServer(repos: Repo[], token?: string): Promise<HubServer> {
  const hub: HubServer = { url: '', seen: [], fault: undefined, close: async () => {} }
  const blobs = new Map(repos.flatMap((r) => (r.large ?? []).map((path) => [`/${sha256(r.files[path])}`, r.files[path]])))
  const cdn = await listen((request, response) => {
    const body = blobs.get(request.url ?? '')
    if (!faulty(hub, 'cdn', request, response, body)) send(request, response, body)
  })
  const main = await listen((request, response) => {
    const found = route(repos, new URL(request.url ?? '', 'http://x'), {
      hub: hub.url,
      cdn: cdn.url,
      token,
      given: request.headers.authorization,
    })
    if (faulty(hub, 'hub', request, response, found.body)) return
    if (found.status) response.writeHead(found.status, found.headers).end()
    else send(request, response, found.body, found.headers)
  })
  hub.url = main.url
  hub.close = async () => {
    await Promise.all([main.close(), cdn.close()])
  }
  return hub
}

const forPages = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': 'Authorization, Range',
  'Access-Control-Expose-Headers': 'X-Repo-Commit, X-Error-Code, ETag, Link, Content-Range, Retry-After',
}

async function listen(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: string; close: () => Promise<void> }> {
  const server: Server = createServer((request, response) => {
    // A page of another origin may read it, as it may the hub.
    for (const [name, value] of Object.entries(forPages)) response.setHeader(name, value)
    if (request.method === 'OPTIONS') response.writeHead(204).end()
    else answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface Found {
  status?: number
  headers?: Record<string, string>
  body?: Uint8Array
}

const fail = (status: number, code: string): Found => ({ status, headers: { 'X-Error-Code': code } })
const json = (value: unknown, headers = {}): Found => ({ body: new TextEncoder().encode(JSON.stringify(value)), headers })

function route(repos: Repo[], url: URL, at: { hub: string; cdn: string; token?: string; given?: string }): Found {
  const api = url.pathname.match(/^\/api\/(model|dataset)s\/(.+?)\/(revision|tree)\/(.+)$/)
  const file = url.pathname.match(/^\/(datasets\/)?(.+?)\/resolve\/([^/]+)\/(.+)$/)
  const [type, id] = api ? [api[1], api[2]] : file ? [file[1] ? 'dataset' : 'model', file[2]] : []
  const repo = repos.find((r) => r.id === id && (r.type ?? 'model') === type)
  if (at.given && at.given !== `Bearer ${at.token}`) return { status: 401 }
  if (!repo) return fail(at.given ? 404 : 401, 'RepoNotFound')
  if (repo.gated && !at.given) return fail(api ? 401 : 403, 'GatedRepo')
  const wanted = decodeURIComponent(api ? api[4] : (file?.[3] ?? ''))
  const refs: Record<string, string> = { main: repo.commit, ...repo.refs }
  const commit = Object.values(refs).includes(wanted) ? wanted : refs[wanted]
  if (!commit) return fail(404, 'RevisionNotFound')
  if (api?.[3] === 'revision') return json({ _id: '1', id, sha: commit, lastModified: '2024-01-01T00:00:00.000Z' })
  if (api) return page(repo, url, at.hub)
  const path = decodeURIComponent(file?.[4] ?? '')
  const body = repo.files[path]
  if (!body) return fail(404, 'EntryNotFound')
  // Headers that Python's client reads.
  const told = { 'X-Repo-Commit': commit, ETag: `"${gitHash(body)}"` }
  if (!repo.large?.includes(path)) return { body, headers: told }
  const linked = { 'X-Linked-ETag': `"${sha256(body)}"`, 'X-Linked-Size': `${body.length}` }
  return { status: 302, headers: { ...told, ...linked, Location: `${at.cdn}/${sha256(body)}` } }
}

function page(repo: Repo, url: URL, hub: string): Found {
  const entries = Object.entries(repo.files).map(([path, bytes]): Listed => {
    const large = { oid: sha256(bytes), size: bytes.length, pointerSize: 130 }
    const plain = { type: 'file', path, size: bytes.length, oid: gitHash(bytes) }
    return repo.large?.includes(path) ? { ...plain, oid: gitHash(new TextEncoder().encode(large.oid)), lfs: large } : plain
  })
  const all = repo.listed ? repo.listed(entries) : entries
  const from = Number(url.searchParams.get('cursor') ?? 0)
  url.searchParams.set('cursor', `${from + pageSize}`)
  const next = from + pageSize < all.length ? { Link: `<${hub}${url.pathname}${url.search}>; rel="next"` } : {}
  return json(all.slice(from, from + pageSize), next)
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  body: Uint8Array | undefined,
  headers: Record<string, string> = {},
): void {
  if (!body) return void response.writeHead(404).end()
  const range = request.headers.range?.match(/^bytes=(\d+)-(\d*)$/)
  if (!range) return void response.writeHead(200, { 'Content-Length': body.length, ...headers }).end(body)
  const [start, end] = [Number(range[1]), range[2] ? Number(range[2]) + 1 : body.length]
  if (start >= body.length) return void response.writeHead(416).end()
  const content = { 'Content-Range': `bytes ${start}-${end - 1}/${body.length}`, 'Content-Length': end - start }
  response.writeHead(206, { ...content, ...headers }).end(body.subarray(start, end))
}

/** Notes the request; answers it itself where the test's fault says so. */
function faulty(hub: HubServer, host: Seen['host'], request: IncomingMessage, response: ServerResponse, body?: Uint8Array): boolean {
  const { range, authorization } = request.headers
  const seen: Seen = { host, path: decodeURIComponent((request.url ?? '').split('?')[0]), range, authorization }
  hub.seen.push(seen)
  const fault = hub.fault?.(seen)
  if (!fault) return false
  if (fault.hang) return true
  const content = fault.body ?? body ?? new Uint8Array()
  if (fault.status) response.writeHead(fault.status, fault.headers).end(fault.body)
  else if (fault.cutAt !== undefined) cut(request, response, content, fault.cutAt)
  else if (fault.pauseMs !== undefined) setTimeout(() => send(request, response, content), fault.pauseMs)
  else send(request, response, content, fault.headers)
  return true
}

/** Sends up to byte `at` of the file and breaks the connection. */
function cut(request: IncomingMessage, response: ServerResponse, body: Uint8Array, at: number): void {
  const start = Number(request.headers.range?.match(/\d+/)?.[0] ?? 0)
  const content = start ? { 'Content-Range': `bytes ${start}-${body.length - 1}/${body.length}` } : {}
  response.writeHead(start ? 206 : 200, { 'Content-Length': body.length - start, ...content })
  response.write(body.subarray(start, Math.max(start, at)), () => setTimeout(() => response.destroy(), 30))
}
