// The hub in a page: what is read is kept in the browser's own file system.
import type { Page } from 'playwright-core'
import { assert, test } from '../harness'
import { noise, quick, small, weights } from '../node/hub_fixture'
import { type Fault, type HubServer, hubServer } from '../node/hub_server'
import { insidePath, withPage } from './inside'

interface Stand {
  server: HubServer
  page: Page
  /** Opens the repository anew and reads a file: its hash, or the error; what was told meanwhile. */
  read(path: string, options?: { start?: number; end?: number; localFilesOnly?: boolean }): Promise<Outcome>
  /** Ranges of the requests for the weights since the last look; '' is the whole. */
  downloads(): string[]
}

interface Outcome {
  sum?: number
  length?: number
  error?: string
  notices: string[]
  progress: { file: string; done: number; total: number }[]
}

const sum = (bytes: Uint8Array) => bytes.reduce((all, byte, i) => (all * 31 + byte + i) % 1_000_003, 7)
const whole = { sum: sum(weights), length: weights.length }

async function withHubPage(body: (stand: Stand) => Promise<void>): Promise<void> {
  const server = await hubServer([small])
  try {
    await withPage('io', (page) =>
      body({
        server,
        page,
        read: (path, options = {}) => page.evaluate(readInside, { path, options, endpoint: server.url, pace: quick }),
        downloads: () => server.seen.splice(0).flatMap(({ host, range }) => (host === 'cdn' ? [range ?? ''] : [])),
      }),
    )
  } finally {
    await server.close()
  }
}

type Asked = { path: string; options: { start?: number; end?: number; localFilesOnly?: boolean }; endpoint: string; pace: typeof quick }

async function readInside({ path, options, endpoint, pace }: Asked): Promise<Outcome> {
  const notices: string[] = []
  const progress: Outcome['progress'] = []
  const sum = (bytes: Uint8Array) => bytes.reduce((all, byte, i) => (all * 31 + byte + i) % 1_000_003, 7)
  try {
    const told = { notice: (text: string) => notices.push(text), progress: (e: Outcome['progress'][0]) => progress.push(e) }
    const files = await io.openHub('owner/small', { endpoint, token: false, localFilesOnly: options.localFilesOnly, ...told }, pace)
    const bytes = await files.read(path, options.start, options.end)
    return { sum: sum(bytes), length: bytes.length, notices, progress }
  } catch (thrown) {
    return { error: (thrown as Error).message, notices, progress }
  }
}

/** Acts on the first `times` downloads of the weights. */
const first = (times: number, fault: ReturnType<Fault>): Fault => {
  let count = 0
  return ({ host }) => (host === 'cdn' && count++ < times ? fault : undefined)
}
const third = weights.length * 0.3
const is = ({ sum, length, error, notices }: Outcome, wanted: { sum: number; length: number }) =>
  assert.equal({ sum, length, error, notices }, { ...wanted, error: undefined, notices: [] }, `${error} ${notices}, ${length} bytes`)

test('kept after the first read: many reads fetch once, progress is told, and it works offline, also after a reload', () =>
  withHubPage(async ({ server, page, read, downloads }) => {
    const outcome = await read('model.safetensors')
    is(outcome, whole)
    assert.equal(outcome.progress[0], { repository: 'owner/small', file: 'model.safetensors', done: 0, total: weights.length })
    assert.is(outcome.progress.at(-1)?.done, weights.length)
    const part = weights.subarray(100, 103)
    is(await read('model.safetensors', { start: 100, end: 103 }), { sum: sum(part), length: 3 })
    is(await read('empty.txt'), { sum: 7, length: 0 })
    assert.match(
      (await read('model.safetensors', { end: 200_001 })).error ?? '',
      /owner\/small\/model\.safetensors: the file ends at byte 200000, wanted 200001/,
    )
    assert.equal(downloads(), [''])
    await page.reload()
    await page.addScriptTag({ type: 'module', url: insidePath('io') })
    is(await read('model.safetensors', { localFilesOnly: true }), whole)
    assert.equal(server.seen, [])
    assert.match(
      (await read('config.json', { localFilesOnly: true })).error ?? '',
      /owner\/small\/config\.json: the file is not in this page's storage, and the hub is not asked/,
    )
    // A hub that is away.
    await server.close()
    const away = await read('model.safetensors')
    assert.equal([away.sum, away.notices.length], [whole.sum, 1])
    assert.match(away.notices[0], /cannot be reached: .* Going on with owner\/small, commit 0123.*, from this page's storage/)
  }))

test('cut at 30 %: gone on with by range, in the same call; cut each time: an error, and the next page goes on from there', () =>
  withHubPage(async ({ server, page, read, downloads }) => {
    server.fault = ({ host }) => (host === 'cdn' ? { cutAt: third } : undefined)
    assert.match(
      (await read('model.safetensors')).error ?? '',
      /owner\/small\/model\.safetensors: the connection broke at 60000 of 200000 bytes .*run again to go on/,
    )
    assert.equal(downloads(), ['', `bytes=${third}-`, `bytes=${third}-`])
    await page.reload()
    await page.addScriptTag({ type: 'module', url: insidePath('io') })
    server.fault = first(1, { cutAt: 2 * third })
    const outcome = await read('model.safetensors')
    is(outcome, whole)
    assert.is(outcome.progress[0].done, third)
    assert.equal(downloads(), [`bytes=${third}-`, `bytes=${2 * third}-`])
    is(await read('model.safetensors', { localFilesOnly: true }), whole)
  }))

test('a wrong length or other bytes: an error, and nothing of it is left', () =>
  withHubPage(async ({ server, read, page }) => {
    server.fault = first(9, { body: weights.subarray(1) })
    assert.match(
      (await read('model.safetensors')).error ?? '',
      /model\.safetensors: wanted 200000 bytes from 0 on, the hub sends 199999 bytes/,
    )
    server.fault = first(9, { body: noise(weights.length).reverse() })
    assert.match(
      (await read('model.safetensors')).error ?? '',
      /model\.safetensors: wanted the hash [0-9a-f]{64}, got [0-9a-f]{64}: it was damaged/,
    )
    server.fault = ({ path }) => (path.endsWith('config.json') ? { body: new TextEncoder().encode('{"b":1}') } : undefined)
    assert.match((await read('config.json')).error ?? '', /config\.json: wanted the hash [0-9a-f]{40}, got [0-9a-f]{40}/)
    assert.equal(await page.evaluate(() => io.cachedRepositories()), [{ repository: 'owner/small', type: 'model', bytes: 0 }])
    server.fault = undefined
    is(await read('model.safetensors'), whole)
  }))

test('no room, said beforehand or by a write: read in ranges with a notice, nothing left; with room again it is kept', () =>
  withHubPage(async ({ page, read, downloads }) => {
    const range = { start: 5, end: 9 }
    const wanted = { sum: sum(weights.subarray(5, 9)), length: 4 }
    const check = async (reason: RegExp) => {
      const { notices, ...outcome } = await read('model.safetensors', range)
      is({ ...outcome, notices: [] }, wanted)
      assert.is(notices.length, 1)
      assert.match(
        notices[0],
        /^owner\/small\/model\.safetensors is not kept in this page's storage: .*\. It is read from the hub in ranges, anew each time$/,
      )
      assert.match(notices[0], reason)
      assert.equal(await page.evaluate(() => io.cachedRepositories()), [{ repository: 'owner/small', type: 'model', bytes: 0 }])
    }
    await page.evaluate(() => {
      const { write } = FileSystemWritableFileStream.prototype
      FileSystemWritableFileStream.prototype.write = function (data) {
        const large = (data as Uint8Array).length > 100_000
        return large ? Promise.reject(new DOMException('quota', 'QuotaExceededError')) : write.call(this, data)
      }
      Object.assign(globalThis, { restore: () => Object.assign(FileSystemWritableFileStream.prototype, { write }) })
    })
    await check(/there is no room for its 0\.2 MB .*remove models or runs that this page keeps/)
    assert.equal(downloads(), ['', 'bytes=5-8'])
    await page.evaluate(() => {
      ;(globalThis as unknown as { restore: () => void }).restore()
      const { estimate } = navigator.storage
      navigator.storage.estimate = async () => ({ quota: 1_100_000, usage: 1_000_000 })
      Object.assign(globalThis, { restore: () => Object.assign(navigator.storage, { estimate }) })
    })
    await check(/no room for its 0\.2 MB \(of 1\.1 MB for this site 0\.1 MB are free\)/)
    downloads()
    await page.evaluate(() => (globalThis as unknown as { restore: () => void }).restore())
    is(await read('model.safetensors', range), wanted)
    is(await read('model.safetensors'), whole)
    assert.equal(downloads(), [''])
  }))

test('what is kept is listed with its size, and cleared', () =>
  withHubPage(async ({ page, read }) => {
    assert.equal(await page.evaluate(() => io.cachedRepositories()), [])
    await read('model.safetensors')
    await read('config.json')
    const kept = [{ repository: 'owner/small', type: 'model', bytes: weights.length + 7 }]
    assert.equal(await page.evaluate(() => io.cachedRepositories()), kept)
    await page.evaluate(() => io.removeCached('owner/other'))
    assert.equal(await page.evaluate(() => io.cachedRepositories()), kept)
    await page.evaluate(() => io.removeCached('owner/small'))
    assert.equal(await page.evaluate(() => io.cachedRepositories()), [])
    assert.equal(await page.evaluate(() => io.openFolder('condlora/hub').list()), [])
    assert.match(
      (await read('config.json', { localFilesOnly: true })).error ?? '',
      /nothing of the model owner\/small, revision main, is in this page's storage/,
    )
    is(await read('model.safetensors'), whole)
  }))

test('a file of many pieces: two tabs at once download it once, ranges over the seams are right', () =>
  withHubPage(async ({ server, page, read }) => {
    const large = noise(40 << 20)
    small.files['large.bin'] = large
    try {
      const both = await Promise.all([0, 1].map(() => read('large.bin', { start: (16 << 20) - 3, end: (32 << 20) + 3 })))
      for (const outcome of both) is(outcome, { sum: sum(large.subarray((16 << 20) - 3, (32 << 20) + 3)), length: (16 << 20) + 6 })
      assert.is(server.seen.filter(({ path }) => path.endsWith('large.bin')).length, 1)
      const pieces = await page.evaluate(async () => {
        const files = io.openFolder('condlora/hub/models--owner--small/blobs')
        return Promise.all((await files.list()).map(async (path) => [path.replace(/.*\//, ''), await files.size(path)] as const))
      })
      assert.equal(pieces, [
        ['0', 16 << 20],
        [`${16 << 20}`, 16 << 20],
        [`${32 << 20}`, 8 << 20],
        ['whole', 0],
      ])
    } finally {
      delete small.files['large.bin']
    }
  }))
