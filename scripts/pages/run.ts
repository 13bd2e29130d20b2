// `node dist/scripts/pages.js PACKAGE README`: the README's page, with the installed package in the folder PACKAGE, in
// Chromium: as it stands, bundled by esbuild and by Vite. Each opens a device, loads roberta-mini and trains two steps.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build as esbuild } from 'esbuild'
import type { Page } from 'playwright-core'
import { build as vite } from 'vite'
import { launchChromium } from '../../test/page/chromium'
import { serve } from '../../test/page/server'

const [condlora, readme] = process.argv.slice(2).map((path) => resolve(path))
const models = join(condlora, 'models/roberta-mini')
const csv = `text,label\n${Array.from({ length: 16 }, (_, i) => (i % 2 ? `win money and prize ${i},spam` : `see you at work on day ${i},ham`)).join('\n')}\n`

/** The page, with a small model, a few steps, and the processor where there is no GPU. */
function page(): { html: string; script: string } {
  const [, html] = /```html\n([\s\S]*?)```/.exec(readFileSync(readme, 'utf8')) ?? []
  if (!html) throw new Error(`${readme} has no page (a block of html)`)
  const small = html
    .replaceAll('FacebookAI/roberta-base', 'roberta-mini')
    .replace('openDevice()', 'openDevice({ software: true })')
    .replace("outputDir: 'run'", "outputDir: 'run', maxSteps: 2, maxLength: 32, loggingSteps: 1, saveSteps: 2")
  const [, script] = /<script type="module">\n([\s\S]*?)<\/script>/.exec(small) ?? []
  if (!script) throw new Error(`${readme}: the page has no <script type="module">`)
  return { html: small, script }
}

/** By name: what makes the folder of a page. */
const ways: Record<string, (folder: string) => Promise<unknown>> = {
  'a plain <script type="module">': async (folder) => writeFileSync(join(folder, 'index.html'), page().html),
  esbuild: async (folder) => {
    const { html, script } = page()
    writeFileSync(join(folder, 'index.html'), html.replace(script, "import './main.js'"))
    await esbuild({
      stdin: { contents: script.replace('./condlora/index.js', 'condlora'), resolveDir: resolve(condlora, '../..') },
      bundle: true,
      minify: true,
      splitting: true,
      format: 'esm',
      outdir: folder,
      entryNames: 'main',
    })
  },
  Vite: async (folder) => {
    const { html, script } = page()
    const root = mkdtempSync(resolve(condlora, '../..', 'vite-'))
    writeFileSync(join(root, 'index.html'), html.replace(script, '').replace('type="module"', 'type="module" src="/main.js"'))
    writeFileSync(join(root, 'main.js'), script.replace('./condlora/index.js', 'condlora'))
    await vite({ root, logLevel: 'warn', configFile: false, build: { outDir: folder, emptyOutDir: true } })
    rmSync(root, { recursive: true })
  },
}

async function trained(page: Page, url: string): Promise<string> {
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on(
    'console',
    (message) => message.type() === 'error' && !message.location().url.endsWith('favicon.ico') && errors.push(message.text()),
  )
  await page.goto(`${url}/given/`)
  await page.evaluate(async (names) => {
    const { openFolder } = (await import(`${location.origin}/given/condlora/index.js`)) as typeof import('../../src')
    const folder = openFolder('roberta-mini')
    for (const name of names) await folder.write(name, new Uint8Array(await (await fetch(`/given/roberta-mini/${name}`)).arrayBuffer()))
  }, readdirSync(models))
  await page.goto(url)
  await page.setInputFiles('input[type=file]', { name: 'mails.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) })
  for (const end = Date.now() + 60_000; Date.now() < end && !errors.length; ) {
    const text = await page.evaluate(async () => {
      const { openFolder } = (await import(`${location.origin}/given/condlora/index.js`)) as typeof import('../../src')
      return (
        (await openFolder('run/adapter').size('adapter_model.safetensors')) &&
        document.body.textContent?.match(/[\d.]+ [\d.]+ (?=\s*$)/)?.[0]
      )
    })
    if (text && !errors.length) return text
    await new Promise((done) => setTimeout(done, 200))
  }
  throw new Error(`it did not train: ${errors.join('; ')}`)
}

const browser = await launchChromium()
try {
  for (const [name, make] of Object.entries(ways)) {
    const folder = mkdtempSync(resolve(condlora, '../..', 'page-'))
    await make(folder)
    if (name.startsWith('a plain')) cpSync(join(condlora, 'dist/lib/browser'), join(folder, 'condlora'), { recursive: true })
    const given = mkdtempSync(resolve(condlora, '../..', 'given-'))
    mkdirSync(join(given, 'condlora'))
    writeFileSync(join(given, 'index.html'), '<!doctype html>')
    const server = await serve({
      '/': folder,
      '/given/': given,
      '/given/condlora/': join(condlora, 'dist/lib/browser'),
      '/given/roberta-mini/': models,
    })
    const context = await browser.newContext()
    try {
      console.log(`${name}: ${await trained(await context.newPage(), server.url)}`)
    } catch (thrown) {
      throw new Error(`${name}: ${(thrown as Error).message}`)
    } finally {
      await context.close()
      await server.close()
    }
  }
} finally {
  await browser.close()
}
