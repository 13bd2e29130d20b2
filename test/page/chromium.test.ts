import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unpackOnce } from '../../src/gpu/chromium.node'
import { assert, test } from '../harness'
import { launchChromium } from './chromium'
import { serve } from './server'

declare const TEST_ROOT: string

test('the browser of the tests has WebGPU, in a page and in a worker, and text has a font', async () => {
  const server = await serve({ '/models/': join(TEST_ROOT, 'models') }, { isolated: true })
  const browser = await launchChromium()
  try {
    const page = await browser.newPage()
    await page.goto(`${server.url}/models/roberta-mini/config.json`)
    const seen = await page.evaluate(async () => {
      const ask = "navigator.gpu?.requestAdapter().then((adapter) => postMessage(adapter?.info.architecture ?? 'none'))"
      const worker = new Worker(URL.createObjectURL(new Blob([ask])))
      const inWorker = await new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)))
      const text = document.createElement('span')
      text.textContent = 'font'
      document.body.replaceChildren(text)
      const inPage = (await navigator.gpu?.requestAdapter())?.info.architecture
      return { inPage, inWorker, width: text.offsetWidth, crossOriginIsolated }
    })
    assert.ok(seen.inPage)
    assert.is(seen.inWorker, seen.inPage)
    assert.ok(seen.width > 0)
    assert.is(seen.crossOriginIsolated, true)
  } finally {
    await browser.close()
    await server.close()
  }
})

test('many processes may unpack at once: one folder is left, and it is whole', async () => {
  const cache = mkdtempSync(join(tmpdir(), 'condlora-cache-'))
  const before = process.env.XDG_CACHE_HOME
  process.env.XDG_CACHE_HOME = cache
  try {
    const folders = await Promise.all(Array.from({ length: 8 }, () => unpackOnce('test', 'fonts', ['fonts.tar.br'])))
    assert.is(new Set(folders).size, 1)
    assert.equal(readdirSync(join(cache, 'condlora')).length, 1)
    assert.equal(readdirSync(join(folders[0], 'fonts/Open_Sans')).length, 3)
  } finally {
    if (before === undefined) delete process.env.XDG_CACHE_HOME
    else process.env.XDG_CACHE_HOME = before
    rmSync(cache, { recursive: true, force: true })
  }
})

/** The path goes out as it stands: fetch would tidy it. */
const ask = (url: string, path: string) =>
  new Promise<{ status?: number; type?: string }>((resolve, reject) =>
    request(url, { path }, (answer) => {
      answer.resume()
      resolve({ status: answer.statusCode, type: answer.headers['content-type'] })
    })
      .on('error', reject)
      .end(),
  )

test('the server gives what is in its folders, with the right type, and nothing else', async () => {
  const server = await serve({ '/': join(TEST_ROOT, 'docs'), '/mini/': join(TEST_ROOT, 'models/roberta-mini') })
  try {
    assert.equal(await ask(server.url, '/mini/config.json'), { status: 200, type: 'application/json' })
    assert.equal(await ask(server.url, '/condlora.svg?x=1'), { status: 200, type: 'image/svg+xml' })
    for (const path of ['/', '/none', '/../package.json', '/%2e%2e/package.json', '/mini/..%2f..%2fpackage.json', '/%zz', '/a%00'])
      assert.is((await ask(server.url, path)).status, 404, path)
  } finally {
    await server.close()
  }
})
