// What browsers were reported to do, as far as one of them can be made to do it: docs/browsers.md.
import type { Page } from 'playwright-core'
import { assert, test } from '../harness'
import { launchChromium } from './chromium'
import { insidePath, withPage } from './inside'
import { pageSettings, serveTests } from './suite'

const flags = '--enable-unsafe-webgpu --enable-features=Vulkan'

/** `work` of the page in a worker of it, where `before` ran first. */
const inWorker = (page: Page, before: string) =>
  page.evaluate(
    ([before, path]) =>
      new Promise<string>((resolve, reject) => {
        const code = `${before}; await import('${location.origin}${path}'); postMessage(await condloraGpu.open({ software: true }))`
        const worker = new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })), { type: 'module' })
        worker.onmessage = ({ data }) => resolve(data)
        worker.onerror = ({ message }) => reject(new Error(message))
      }),
    [before, insidePath('gpu')],
  )
const inPage = (page: Page, options = { software: true }) => page.evaluate((options) => condloraGpu.open(options), options)

const works = /^condlora: running on /
const noGpu = 'Object.defineProperty(Object.getPrototypeOf(navigator), "gpu", { get: () => undefined })'

test('WebGPU in pages without WebGPU in workers, and the other way round: the error says where it is missing', () =>
  withPage('gpu', async (page) => {
    assert.match(await inPage(page), works)
    assert.match(await inWorker(page, ''), works)
    assert.match(await inWorker(page, noGpu), /this browser offers no WebGPU in workers.*dom\.webgpu\.workers\.enabled/s)
    await page.evaluate(noGpu)
    assert.match(await inPage(page), /this browser offers no WebGPU on this page/)
    assert.match(await inWorker(page, ''), works)
  }))

test('no adapter, or a software adapter that nobody asked for: named, with the flags that help', () =>
  withPage('gpu', async (page) => {
    await page.evaluate(() => Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => true }))
    const software = await inPage(page, { software: false })
    assert.match(software, /the only WebGPU adapter here is .+ \(software, on the processor\), and nobody asked for it/)
    assert.ok(software.includes(flags) && software.includes('openDevice({ software: true })'), software)
    await page.evaluate(() => Object.assign(GPU.prototype, { requestAdapter: async () => null }))
    const none = await inPage(page)
    assert.match(none, /no WebGPU adapter was found/)
    assert.ok(none.includes(flags), none)
  }))

test('adapter.info empty, or not there: the device opens without a name', () =>
  withPage('gpu', async (page) => {
    for (const info of ['({})', 'undefined']) {
      await page.evaluate(`Object.defineProperty(GPUAdapter.prototype, "info", { get: () => ${info}, configurable: true })`)
      assert.match(await inPage(page, { software: false }), /^condlora: running on unnamed adapter/, info)
    }
  }))

test('the strong adapter is asked for, or the one that the caller prefers', () =>
  withPage('gpu', async (page) => {
    const asked = await page.evaluate(async () => {
      const asked: (string | undefined)[] = []
      const { requestAdapter } = GPU.prototype
      GPU.prototype.requestAdapter = function (options) {
        asked.push(options?.powerPreference)
        return requestAdapter.call(this, options)
      }
      await condloraGpu.open({ software: true })
      await condloraGpu.open({ software: true, powerPreference: 'low-power' })
      return asked
    })
    assert.equal(asked, ['high-performance', 'low-power'])
  }))

test('a page that is covered, frozen, and whose own thread stands still: training in a worker goes on, to the same numbers', async () => {
  const server = await serveTests()
  const browser = await launchChromium()
  try {
    const context = await browser.newContext()
    const open = async () => {
      const page = await context.newPage()
      await page.goto(`${server.url}/blank.html?${pageSettings()}`)
      return page
    }
    const [trains, listens] = [await open(), await open()]
    const run = async (start: () => Promise<unknown>) => {
      await listens.evaluate(listen)
      await trains.evaluate((path) => void new Worker(path, { type: 'module' }), insidePath('hidden'))
      await listens.waitForFunction(() => heard.length > 0, null, { timeout: 0 })
      await start()
      await listens.waitForFunction(() => heard[heard.length - 1].includes(','), null, { timeout: 0 })
      return listens.evaluate(() => heard)
    }
    const go = "new BroadcastChannel('training').postMessage('go');"
    const wanted = await run(() => trains.evaluate(go))
    const got = await run(async () => {
      await listens.bringToFront()
      await (await context.newCDPSession(trains)).send('Page.setWebLifecycleState', { state: 'frozen' })
      // A headless browser freezes no page: this is as still as one can be.
      void trains.evaluate(`${go} for (;;);`).catch(() => {})
    })
    assert.equal(wanted.slice(0, 3), ['ready', 'go', 'step 1'])
    assert.is(wanted.length, 63)
    assert.equal(got, wanted)
  } finally {
    await browser.close()
    await server.close()
  }
})

declare const heard: string[]

/** `heard` is what the worker says from now on. */
function listen(): void {
  const said: string[] = []
  const channel = new BroadcastChannel('training')
  channel.onmessage = ({ data }) => said.push(data)
  Object.assign(globalThis, { heard: said, channel })
}
