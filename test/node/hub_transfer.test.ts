// Downloads from the hub: cut, wrong, busy, slow, by two processes at once.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HubProgress } from '../../src/io'
import { assert, test } from '../harness'
import { bytes, commit, noise, quick, small, text, weights, withHub } from './hub_fixture'
import { type Fault, gitHash, sha256 } from './hub_server'

declare const TEST_ROOT: string

const hash = sha256(weights)
const third = weights.length * 0.3
const blob = (folder: string, name = hash) => join(folder, 'blobs', name)
const same = (a: Uint8Array, b: Uint8Array) => assert.is(Buffer.compare(a, b), 0, 'other bytes')

/** A fault that acts on the first `times` requests that match. */
const first = (times: number, match: (path: string) => boolean, fault: ReturnType<Fault>): Fault => {
  let count = 0
  return ({ host, path }) => (match(`${host}${path}`) && count++ < times ? fault : undefined)
}
const cdn = (path: string) => path.startsWith('cdn/')

test('cut at 30 %: the rest is asked for by its range, in the same call', () =>
  withHub([small], async ({ server, open, downloads, folder }) => {
    server.fault = first(1, cdn, { cutAt: third })
    const events: HubProgress[] = []
    const files = await open({ progress: (e) => events.push(e) })
    same(await files.read('model.safetensors'), weights)
    assert.equal(
      downloads()
        .filter((d) => d.host === 'cdn')
        .map((d) => d.range),
      [undefined, `bytes=${third}-`],
    )
    assert.equal(readdirSync(join(folder, 'blobs')), [hash])
    assert.ok(events.length >= 4)
    assert.ok(events.every((e, i) => !i || e.done >= events[i - 1].done))
    assert.equal(events[0], { repository: 'owner/small', file: 'model.safetensors', done: 0, total: weights.length })
    assert.ok(events.some((e) => e.done === third))
    assert.is(events[events.length - 1].done, weights.length)
  }))

test('cut each time: an error that says how far it came, and the next run goes on from there', () =>
  withHub([small], async ({ server, open, folder, downloads }) => {
    server.fault = (s) => (s.host === 'cdn' ? { cutAt: third } : undefined)
    const broken = /owner\/small\/model\.safetensors: the connection broke at 60000 of 200000 bytes .*run again to go on/
    await assert.rejects(async () => (await open()).read('model.safetensors'), broken)
    assert.is(statSync(`${blob(folder)}.incomplete`).size, third)
    assert.is(existsSync(blob(folder)), false)
    assert.is(downloads().filter((d) => d.host === 'cdn').length, quick.attempts)
    server.fault = undefined
    server.seen.length = 0
    const events: HubProgress[] = []
    same(await (await open({ progress: (e) => events.push(e) })).read('model.safetensors'), weights)
    assert.is(events[0].done, third)
    assert.equal(
      downloads()
        .filter((d) => d.host === 'cdn')
        .map((d) => d.range),
      [`bytes=${third}-`],
    )
  }))

test('a server without ranges: from the start; a wrong or too long beginning on disk: from the start', () =>
  withHub([small], async ({ server, open, folder, downloads }) => {
    mkdirSync(join(folder, 'blobs'), { recursive: true })
    const part = `${blob(folder)}.incomplete`
    writeFileSync(part, weights.subarray(0, 1000))
    server.fault = (s) => (s.host === 'cdn' ? { status: 200, body: weights } : undefined)
    same(await (await open()).read('model.safetensors'), weights)
    assert.equal(
      downloads()
        .filter((d) => d.host === 'cdn')
        .map((d) => d.range),
      ['bytes=1000-'],
    )
    for (const wrong of [noise(1001).subarray(1), noise(weights.length + 9), noise(weights.length + 1).subarray(1)]) {
      server.fault = undefined
      truncateSync(blob(folder), 5)
      writeFileSync(part, wrong)
      same(await (await open()).read('model.safetensors'), weights)
      assert.is(existsSync(part), false)
    }
  }))

for (const [name, fault, wanted] of [
  ['too short', { body: weights.subarray(1) }, /model\.safetensors: wanted 200000 bytes from 0 on, the hub sends 199999 bytes/],
  ['too long', { body: noise(200_001) }, /model\.safetensors: wanted 200000 bytes from 0 on, the hub sends 200001 bytes/],
  ['too long, its length not told', { status: 200, headers: {}, body: noise(200_001) }, /wanted 200000 bytes, the hub sends more/],
  [
    'too short, its length not told',
    { status: 200, headers: {}, body: weights.subarray(9) },
    /the connection broke at \d+ of 200000 bytes \(it ended/,
  ],
  ['damaged', { body: noise(200_001).subarray(1) }, new RegExp(`model\\.safetensors: wanted the hash ${hash}, got [0-9a-f]{64}`)],
] as [string, NonNullable<ReturnType<Fault>>, RegExp][])
  test(`a file that is ${name} is refused by name, and no blob stays`, () =>
    withHub([small], async ({ server, open, folder }) => {
      server.fault = (s) => (s.host === 'cdn' ? fault : undefined)
      await assert.rejects(async () => (await open()).read('model.safetensors'), wanted)
      assert.is(existsSync(blob(folder)), false)
      assert.is(existsSync(join(folder, 'snapshots', commit, 'model.safetensors')), false)
    }))

test('a small file is checked against its git hash', () =>
  withHub([small], async ({ server, open, folder }) => {
    const real = gitHash(small.files['config.json'])
    server.fault = (s) => (s.path.endsWith('/config.json') ? { body: bytes('{"a":2}') } : undefined)
    await assert.rejects(
      async () => (await open()).read('config.json'),
      new RegExp(`config\\.json: wanted the hash ${real}, got [0-9a-f]{40}`),
    )
    assert.equal(readdirSync(join(folder, 'blobs')), [])
  }))

test('a file in the cache that was cut since is fetched again', () =>
  withHub([small], async ({ open, folder }) => {
    await (await open()).read('model.safetensors')
    truncateSync(blob(folder), 100)
    same(await (await open()).read('model.safetensors'), weights)
  }))

test('server errors and a broken list are asked again; a hub that stays away ends in an error', () =>
  withHub([small], async ({ server, open }) => {
    server.fault = first(2, () => true, { status: 503 })
    assert.is(text(await (await open()).read('config.json')), '{"a":1}')
    server.fault = first(1, (p) => p.includes('/resolve/'), { status: 500 })
    assert.is(text(await (await open()).read('sub/folder/notes.txt')), 'notes')
    assert.is((await (await open()).read('empty.txt')).length, 0)
    server.fault = (s) => (s.path.includes('/resolve/') ? { status: 502 } : undefined)
    server.seen.length = 0
    const hub = server.url
    await assert.rejects(
      async () => (await open()).read('model.safetensors'),
      new RegExp(`owner/small/model\\.safetensors: the hub \\(${hub}\\) answered with status 502 3 times`),
    )
    assert.is(server.seen.filter((s) => s.path.endsWith('model.safetensors')).length, quick.attempts)
  }))

test('an API answer that breaks off is asked again', () =>
  withHub([small], async ({ server, open }) => {
    server.fault = first(1, (p) => p.includes('/tree/'), { cutAt: 20 })
    assert.is((await (await open()).list()).length, 4)
    assert.is(server.seen.filter((s) => s.path.includes('/tree/')).length, 3)
  }))

test('429: Retry-After is waited for, seconds or a date; too long a wait is an error that says it', () =>
  withHub([small], async ({ server, open }) => {
    const busy = (after: string): NonNullable<ReturnType<Fault>> => ({ status: 429, headers: { 'Retry-After': after } })
    for (const inSeconds of [true, false]) {
      const after = inSeconds ? '1' : new Date(Date.now() + 2100).toUTCString()
      server.fault = first(1, (p) => p.includes('/revision/'), busy(after))
      const start = performance.now()
      await open()
      const took = performance.now() - start
      assert.ok(took > 900 && took < 30_000, `${after}: took ${took} ms`)
    }
    server.fault = (s) => (s.path.includes('/revision/') ? busy('3600') : undefined)
    server.seen.length = 0
    await assert.rejects(() => open({}, 'owner/other'), /too many requests \(429\) and asks to wait 3600 s: try again then/)
    assert.is(server.seen.length, 1)
  }))

test('a server that falls silent is not waited for without end', () =>
  withHub([small], async ({ server, open }) => {
    server.fault = () => ({ hang: true })
    const silent = () => open({}, small.id, { ...quick, silenceMs: 300 })
    await assert.rejects(silent, /the hub \(http:\/\/127\.0\.0\.1:\d+\) cannot be reached: no answer for 0\.3 s/)
  }))

function child(env: Record<string, string>): { done: Promise<string>; kill: () => void } {
  const file = join(TEST_ROOT, 'dist/test/node/child/hub.js')
  const started = spawn(process.execPath, [file], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  started.stdout.on('data', (d) => (out += d))
  started.stderr.on('data', (d) => (err += d))
  const done = new Promise<string>((resolve, reject) =>
    started.on('close', (status, signal) =>
      status === 0 ? resolve(out.trim()) : reject(new Error(`ended with ${signal ?? status}: ${err.slice(-2000)}`)),
    ),
  )
  return { done, kill: () => started.kill('SIGKILL') }
}

test('two processes on one cache: both end well, the file is downloaded once and whole', () =>
  withHub([small], async ({ server, cacheDir, folder, downloads }) => {
    server.fault = (s) => (s.host === 'cdn' ? { pauseMs: 1500 } : undefined)
    const env = { HF_ENDPOINT: server.url, HF_HUB_CACHE: cacheDir, HF_HUB_OFFLINE: '' }
    const both = [child(env), child(env)]
    assert.equal(await Promise.all(both.map((c) => c.done)), [hash, hash])
    assert.is(downloads().filter((d) => d.host === 'cdn').length, 1)
    assert.equal(readdirSync(join(folder, 'blobs')), [hash])
    assert.is(
      createHash('sha256')
        .update(readFileSync(blob(folder)))
        .digest('hex'),
      hash,
    )
    assert.equal(readdirSync(join(cacheDir, '.locks', 'models--owner--small')), [])
  }))

test('a process killed in the middle: the next one takes over its lock and goes on with its bytes', () =>
  withHub([small], async ({ server, cacheDir, folder, open, downloads }) => {
    let killed = (): void => {}
    const sent = new Promise<void>((resolve) => (killed = resolve))
    server.fault = (s) => {
      if (s.host !== 'cdn') return undefined
      // The second request for it comes when the child has written what the first brought.
      if (s.range) killed()
      return s.range ? { hang: true } : { cutAt: third }
    }
    const { done, kill } = child({ HF_ENDPOINT: server.url, HF_HUB_CACHE: cacheDir, HF_HUB_OFFLINE: '' })
    await Promise.race([sent, done])
    kill()
    await assert.rejects(done, /ended with SIGKILL/)
    const lock = join(cacheDir, '.locks', 'models--owner--small', `${hash}.condlora.lock`)
    const longAgo = new Date(Date.now() - 60_000)
    utimesSync(lock, longAgo, longAgo)
    server.fault = undefined
    server.seen.length = 0
    same(await (await open()).read('model.safetensors'), weights)
    assert.equal(
      downloads().map((d) => d.range),
      [`bytes=${third}-`, `bytes=${third}-`],
    )
    assert.equal(readdirSync(join(folder, 'blobs')), [hash])
    assert.is(existsSync(lock), false)
  }))
