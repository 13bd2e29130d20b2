import type { Page } from 'playwright-core'
import { launchChromium } from './chromium'
import { pageSettings, serveTests } from './suite'

/** A module of test/page/inside, as an empty page of `serveTests` asks for it. */
export const insidePath = (module: string) => `/page/inside/${module}.js`

/** An empty page in a browser of its own, from where all of dist/test-browser can be imported. */
async function withEmptyPage<T>(body: (page: Page) => Promise<T>): Promise<T> {
  const server = await serveTests()
  const browser = await launchChromium()
  try {
    const page = await browser.newPage()
    await page.goto(`${server.url}/blank.html?${pageSettings()}`)
    return await body(page)
  } finally {
    await browser.close()
    await server.close()
  }
}

/** An empty page with a module of test/page/inside loaded. */
export const withPage = (module: string, body: (page: Page) => Promise<void>): Promise<void> =>
  withEmptyPage(async (page) => {
    await page.addScriptTag({ type: 'module', url: insidePath(module) })
    await body(page)
  })

/** What `name` of a module of test/page/inside returns when a page calls it. */
export const inPage = <T>(module: string, name: string): Promise<T> =>
  withEmptyPage(async (page) => {
    await page.exposeFunction('condloraRecord', () => {})
    return page.evaluate(async ([path, method]) => (await import(path))[method](), [insidePath(module), name])
  })
