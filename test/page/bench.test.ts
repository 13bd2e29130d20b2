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

const ended = (page: Page) =>
  page.waitForFunction(() => /Done|Stopped|cannot/.test(document.querySelector('#status')?.textContent ?? ''), null, { timeout: 200_000 })

test(
  'the benchmark page measures, shows bars, checks the kernels, gives JSON, and never freezes',
  () =>
    onPage(async (page) => {
      await choose(page, 'square 256', 'layernorm 512×384')
      await page.evaluate(() => {
        const state = globalThis as unknown as { longest: number }
        let last = performance.now()
        state.longest = 0
        setInterval(() => {
          state.longest = Math.max(state.longest, performance.now() - last)
          last = performance.now()
        }, 20)
      })
      await page.click('#start')
      await ended(page)
      assert.is(await page.textContent('#status'), 'Done.')
      // A busy machine may hold up any process for a while; work on the page's own thread would take longer than this.
      const longest = await page.evaluate(() => (globalThis as unknown as { longest: number }).longest)
      assert.ok(longest < 1500, `the page stood still for ${longest} ms`)
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
  { timeoutMs: 240_000 },
)

test(
  'it can be stopped',
  () =>
    onPage(async (page) => {
      await page.click('#start')
      await page.waitForFunction(() => /square|opening|checking/.test(document.querySelector('#status')?.textContent ?? ''))
      await page.click('#stop')
      await ended(page)
      assert.is(await page.textContent('#status'), 'Stopped.')
      assert.is(await page.isEnabled('#start'), true)
    }),
  { timeoutMs: 100_000 },
)

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
