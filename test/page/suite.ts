// Runs test files in Chromium, each in a browser of its own, and judges them by their records as the Node driver does.
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { type Entry, type FileResult, judge, parseEntries } from '../records'
import { launchChromium } from './chromium'
import { type StaticServer, serve } from './server'

declare const TEST_ROOT: string

const fileLimit = Number(process.env.CONDLORA_FILE_LIMIT_MS ?? 1_200_000)

export interface RunOptions {
  limitMs?: number
  /** In a worker of the page instead of the page. */
  worker?: boolean
  /** For tests of this driver: what happens to the page once a test is at work on its device. */
  during?: (page: Page) => Promise<unknown>
}

/** Runs one file of dist/test-browser, e.g. `ops/gelu.test.js`, and counts what really finished. */
export async function runInChromium(file: string, options: RunOptions = {}): Promise<FileResult> {
  const { limitMs = fileLimit, worker = false, during } = options
  const server = await serveTests()
  const entries: Entry[] = []
  let browser: Browser | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let end: string
  try {
    browser = await launchChromium()
    const page = await browser.newPage()
    const { ended, atWork } = await watch(page, entries)
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`not done after ${limitMs} ms`), limitMs)
    })
    const query = new URLSearchParams({ file, ...(worker ? { worker: '' } : {}) })
    await page.goto(`${server.url}/?${query}&${pageSettings()}`, { waitUntil: 'commit' })
    if (during) await Promise.race([atWork, ended, late]).then(() => during(page))
    end = await Promise.race([ended, late])
  } catch (thrown) {
    end = `could not be run in Chromium: ${(thrown as Error).message}`
  }
  clearTimeout(timer)
  await browser?.close()
  await server.close()
  return judge(entries, end)
}

/** dist/test-browser, and what its modules read. */
export function serveTests(): Promise<StaticServer> {
  return serve({
    '/': join(TEST_ROOT, 'dist/test-browser'),
    '/files/fixtures/': join(TEST_ROOT, 'test/fixtures'),
    '/files/models/': join(TEST_ROOT, 'models'),
  })
}

/** Gathers what the page says. `ended` resolves with the reason why it ended, '' where all was well; `atWork` once it has a device. */
async function watch(page: Page, entries: Entry[]): Promise<{ ended: Promise<string>; atWork: Promise<void> }> {
  let navigations = 0
  let stop = (_why: string): void => {}
  let opened = (): void => {}
  const ended = new Promise<string>((resolve) => {
    stop = resolve
  })
  const atWork = new Promise<void>((resolve) => {
    opened = resolve
  })
  page.on('crash', () => stop('the page crashed'))
  page.on('close', () => stop('the page was closed'))
  page.on('framenavigated', (frame) => {
    if (frame === page.mainFrame() && ++navigations > 1) stop(`the page left for ${frame.url()}`)
  })
  // Chromium warns of every error of the GPU that no error scope and no listener caught.
  page.on('console', (message) => {
    const wrong = ['error', 'warning'].includes(message.type()) && !message.text().includes('powerPreference')
    if (wrong) entries.push({ event: 'crashed', error: `console ${message.type()}: ${message.text()}` })
  })
  await page.exposeFunction('condloraRecord', (text: string) => {
    const [entry] = parseEntries(text)
    if (entry.event === 'ended') return stop('')
    entries.push(entry)
    if (entry.event === 'adapter') opened()
  })
  return { ended, atWork }
}

/** What a page reads by `settings()` of platform.browser.ts. */
export function pageSettings(): URLSearchParams {
  const { CONDLORA_TEST_DEVICE: device, CONDLORA_SEED: seed } = process.env
  return new URLSearchParams({ ...(device ? { device } : {}), ...(seed ? { seed } : {}) })
}
