import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { assert } from '../harness'
import { launchChromium } from './chromium'
import { serve } from './server'

declare const TEST_ROOT: string

export interface Visit {
  page: Page
  url: string
}

/**
 * The training page in a browser of its own; an error of the page that no one caught fails the test.
 * @param scenario what fake_worker.ts reads of its URL; null: the real worker
 */
export async function visit(
  scenario: string | null,
  body: (visit: Visit) => Promise<void>,
  prepare: (page: Page) => Promise<unknown> = async () => {},
) {
  const fake = { '/worker.js': join(TEST_ROOT, 'dist/test-browser/page/fake_worker.js') }
  const server = await serve({ '/': join(TEST_ROOT, 'dist/test-pages'), ...(scenario === null ? {} : fake) })
  let browser: Browser | undefined
  try {
    browser = await launchChromium()
    const page = await browser.newPage({ viewport: { width: 1200, height: 900 } })
    page.setDefaultTimeout(scenario === null ? 300_000 : 60_000)
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(error.message))
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) errors.push(message.text())
    })
    if (scenario !== null)
      await page.addInitScript((query) => {
        globalThis.Worker = new Proxy(Worker, { construct: (Real, [url, options]) => new Real(`${url}?${query}`, options) })
      }, scenario)
    await prepare(page)
    await page.goto(`${server.url}/`)
    await body({ page, url: server.url })
    assert.equal(
      errors.filter((text) => !/Out of memory in the worker/.test(text)),
      [],
    )
  } finally {
    await browser?.close()
    await server.close()
  }
}

export const text = async (page: Page, selector: string) => String(await page.textContent(selector))
/** Waits until what is written there fits. */
export const until = (page: Page, selector: string, pattern: RegExp) =>
  page.waitForFunction(
    ([where, source]) => new RegExp(source).test(document.querySelector(where)?.textContent ?? ''),
    [selector, pattern.source],
    // Not by animation frames, which a test may have stopped.
    { polling: 100 },
  )
export const ready = (page: Page) => page.waitForSelector('#start:enabled')
export const startRun = async (page: Page) => {
  await ready(page)
  await page.click('#start')
}
