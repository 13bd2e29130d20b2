import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, resolve, sep } from 'node:path'

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
  '.txt': 'text/plain; charset=utf-8',
}

export interface StaticServer {
  /** `http://127.0.0.1:PORT`: a secure context, as WebGPU wants it. */
  url: string
  close(): Promise<void>
}

export interface ServeOptions {
  /** Sends COOP and COEP, as shared memory and precise clocks want it. */
  isolated?: boolean
  /** More headers for every answer. */
  headers?: Record<string, string>
}

/**
 * Serves folders on the loopback interface, on a port that is free. A folder answers with its index.html.
 * @param folders URL prefix to folder, e.g. `{ '/': 'dist/app', '/models/': 'models' }`; the longest prefix counts
 */
export async function serve(folders: Record<string, string>, { isolated = false, headers = {} }: ServeOptions = {}): Promise<StaticServer> {
  const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }
  const always = { 'Cache-Control': 'no-store', ...(isolated ? isolation : {}), ...headers }
  const server = createServer(async (request, response) => {
    const file = request.method === 'GET' || request.method === 'HEAD' ? await find(folders, request.url ?? '/') : undefined
    if (!file) return void response.writeHead(404, always).end('not found')
    const type = types[extname(file.path)] ?? 'application/octet-stream'
    response.writeHead(200, { ...always, 'Content-Type': type, 'Content-Length': file.size })
    if (request.method === 'HEAD') return void response.end()
    createReadStream(file.path)
      .on('error', () => response.destroy())
      .pipe(response)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

async function find(folders: Record<string, string>, url: string): Promise<{ path: string; size: number } | undefined> {
  let path: string
  try {
    path = decodeURIComponent(new URL(url, 'http://x').pathname)
  } catch {
    return undefined
  }
  const prefixes = Object.keys(folders).sort((a, b) => b.length - a.length)
  const prefix = prefixes.find((each) => path.startsWith(each))
  if (!prefix || path.includes('\0')) return undefined
  const root = resolve(folders[prefix])
  const file = resolve(join(root, path.slice(prefix.length)))
  if (file !== root && !file.startsWith(root + sep)) return undefined
  return (await regular(file)) ?? (await regular(join(file, 'index.html')))
}

async function regular(path: string): Promise<{ path: string; size: number } | undefined> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() ? { path, size: found.size } : undefined
}
