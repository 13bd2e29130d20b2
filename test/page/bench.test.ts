import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { assert, test } from '../harness'
import { axe } from './axe'
import { launchChromium } from './chromium'
import { serve } from './server'

declare const TEST_ROOT: string

// The page is built with the rivals where they are installed.
const withRivals = existsSync(join(TEST_ROOT, 'bench/node_modules'))

async function onPage(body: (page: Page) => Promise<void>): Promise<void> {
  const server = await serve({ '/': join(TEST_ROOT, 'dist/test-pages') })
  const browser = await launchChromium()
  try {
    const page = await browser.newPage()
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(error.message))
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) errors.push(message.text())
    })
    await page.addInitScript(() => {
      const { requestAdapter } = GPU.prototype
      const counted = Object.assign(globalThis, { asked: 0 })
      GPU.prototype.requestAdapter = function (options) {
        counted.asked++
        return requestAdapter.call(this, options)
      }
    })
    await page.goto(`${server.url}/bench.html`)
    await body(page)
    assert.equal(errors, [])
  } finally {
    await browser.close()
    await server.close()
  }
}

async function choose(page: Page, ...rows: string[]): Promise<void> {
  for (const box of await page.locator('input[name=row]').all()) await box.setChecked(rows.includes(await box.inputValue()))
}

/** However long it takes: the time limit is the test's. */
const ended = (page: Page) =>
  page.waitForFunction(() => /Done|Stopped|cannot/.test(document.querySelector('#status')?.textContent ?? ''), null, { timeout: 0 })

test(
  'the benchmark page measures, shows bars, checks the kernels, gives JSON, and computes in workers alone',
  () =>
    onPage(async (page) => {
      await choose(page, 'square 256', 'layernorm 512×384')
      await page.click('#start')
      await ended(page)
      assert.is(await page.textContent('#status'), 'Done.')
      // Without a GPU the page's own thread stays free.
      assert.is(await page.evaluate(() => (globalThis as unknown as { asked: number }).asked), 0)
      const report = JSON.parse(await page.inputValue('textarea'))
      assert.equal(
        report.rows.map((r: { name: string }) => r.name),
        ['square 256', 'layernorm 512×384'],
      )
      for (const row of report.rows) {
        assert.ok(row.ours > 0, JSON.stringify(row))
        const rivals = withRivals ? ['jax-js', 'tfjs'] : []
        assert.equal(Object.keys(row.rivals).sort(), rivals, JSON.stringify(row.notes))
        if (!withRivals) assert.match(row.notes.tfjs, /built without it/)
      }
      assert.match(String(await page.textContent('#adapter')), /\w{4}/)
      assert.match(String(await page.textContent('#doctor summary')), /compute right/)
      const bars = await page.locator('td .bar').evaluateAll((all) => all.map((bar) => Number.parseFloat((bar as HTMLElement).style.width)))
      assert.is(bars.length, 2 * (withRivals ? 3 : 1))
      assert.is(Math.max(...bars), 100)
      await axe(page)
    }),
  { timeoutMs: 480_000 },
)

test('it stops at once, whatever it does, and starts again', () =>
  onPage(async (page) => {
    for (const now of ['opening condlora', 'checking the kernels']) {
      await stopAt(page, now)
      assert.is(await page.textContent('#status'), 'Stopped.', now)
      assert.is(await page.isEnabled('#start'), true)
    }
  }))

/** Starts, and stops in the moment that the page says `now`; ends when the page has ended. */
async function stopAt(page: Page, now: string): Promise<void> {
  await page.evaluate((now) => {
    const element = (id: string) => document.getElementById(id) as HTMLElement
    const watcher = new MutationObserver(() => {
      if (element('status').textContent !== now) return
      watcher.disconnect()
      element('stop').click()
    })
    watcher.observe(element('status'), { childList: true, characterData: true, subtree: true })
    element('start').click()
  }, now)
  await ended(page)
}

test('without WebGPU it says which browsers have it', async () => {
  const server = await serve({ '/': join(TEST_ROOT, 'dist/test-pages') })
  const browser = await launchChromium()
  try {
    const page = await browser.newPage()
    await page.addInitScript(() => Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined }))
    await page.goto(`${server.url}/bench.html`)
    assert.match(String(await page.textContent('main')), /no WebGPU\.[\s\S]*Chrome and Edge 113/)
  } finally {
    await browser.close()
    await server.close()
  }
})
