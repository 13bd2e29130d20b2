import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { launchChromium } from './chromium'
import { serve } from './server'

declare const TEST_ROOT: string

/** An empty page, and test/page/inside below /inside/. */
export const serveInside = () => serve({ '/inside/': join(TEST_ROOT, 'dist/test/page/inside'), '/': join(TEST_ROOT, 'test/page/empty') })

/** An empty page, in a browser of its own, with a module of test/page/inside loaded. */
export async function withPage(module: string, body: (page: Page) => Promise<void>): Promise<void> {
  const server = await serveInside()
  const browser = await launchChromium()
  try {
    const page = await browser.newPage()
    await page.goto(server.url)
    await page.addScriptTag({ type: 'module', url: `/inside/${module}.js` })
    await body(page)
  } finally {
    await browser.close()
    await server.close()
  }
}
