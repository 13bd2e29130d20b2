// The training page before a worker that only speaks the protocol: what one sees, hears and can do.
import type { Page } from 'playwright-core'
import { assert, test } from '../harness'
import { axe } from './axe'
import { ready, startRun, text, until, visit } from './visit'

test('a run with the keyboard alone: from the page’s load to the outcome, figures and a sentence', () =>
  visit('', async ({ page }) => {
    await ready(page)
    await page.keyboard.press('Tab')
    for (let i = 0; i < 40 && !(await page.evaluate(() => document.activeElement?.id === 'start')); i++) await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await until(page, '#outcome', /Done\. 20 steps in 1 min 23 s, accuracy 95\.7 %/)
    assert.is(await page.evaluate(() => document.activeElement?.id), 'start', 'the focus stays where it was')
    assert.match(await text(page, '#announcement'), /done at step 20, accuracy 95\.7 %/)
    const tiles = await text(page, '.tiles')
    for (const part of ['20,866', '1.5 % of 1.4 M', '412', '91 MB']) assert.ok(tiles.includes(part), `${part} in ${tiles}`)
    await until(page, '#guess', /spam/)
    await until(page, '#try', /as of step 20/)
    const [best] = await page.locator('#guess .best dt').allTextContents()
    assert.is(best, 'spam')
    await page.focus('#sentence')
    await page.keyboard.press('ControlOrMeta+A')
    await page.keyboard.type('The patch is fine')
    await until(page, '#guess .best dt', /ham/)
  }))

test('the curves: drawn, in words, as a table, and redrawn in the dark', () =>
  visit('', async ({ page }) => {
    await startRun(page)
    await until(page, '#outcome', /Done/)
    const label = String(await page.getAttribute('#curve-loss [role=img]', 'aria-label'))
    assert.match(
      label,
      /^Loss: training, single readings from 0\.6\d+ at step 1 to 0\.\d+ at step 20; training from .*; validation from 0\.\d+ at step 5 to/,
    )
    assert.match(String(await page.getAttribute('#curve-accuracy [role=img]', 'aria-label')), /accuracy|validation from 8\d(\.\d)? %/i)
    await page.click('#curves summary')
    assert.is(await page.locator('#curves tbody tr').count(), 20)
    await drawnIn(page, '15,106,97')
    await page.emulateMedia({ colorScheme: 'dark' })
    await drawnIn(page, '108,208,194')
  }))

test(
  'axe finds nothing: before, in and after a run, light and dark, on a desk and a phone',
  async () => {
    for (const width of [1200, 360])
      await visit('unfinished&smaller&notice&software', async ({ page }) => {
        await page.setViewportSize({ width, height: 800 })
        await page.waitForSelector('#offer')
        await axe(page)
        await startRun(page)
        await until(page, '#outcome', /Done/)
        await page.click('#check')
        await page.waitForSelector('#doctor')
        for (const summary of await page.locator('summary').all()) await summary.click()
        await page.click('input[name=source][value=file]')
        await page.click('input[name=base][value=hub]')
        await page.click('#clear')
        await axe(page)
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
        assert.is(overflow, 0, `nothing sticks out at ${width} px`)
      })
  },
  { timeoutMs: 240_000 },
)

test('without animation frames, as in a hidden tab, all that is shown is right', () =>
  visit(
    'software',
    async ({ page }) => {
      await startRun(page)
      await until(page, '#outcome', /Done\. 20 steps/)
      assert.match(await text(page, '.tiles'), /Accuracy95\.7 %/)
      assert.is(await page.locator('#curves tbody tr').count(), 20)
      await until(page, '#try', /as of step 20/)
      assert.match(await text(page, '#software'), /processor.*--enable-unsafe-webgpu --enable-features=Vulkan/)
    },
    (page) => page.addInitScript(() => Object.assign(globalThis, { requestAnimationFrame: () => 0 })),
  ))

test('pause, go on, stop', () =>
  visit('slow', async ({ page }) => {
    await startRun(page)
    await until(page, '#status', /step [1-9]/)
    await page.click('#pause')
    await until(page, '#status', /Paused at step/)
    await until(page, '#pause', /Go on/)
    const at = await text(page, '#status')
    await page.waitForTimeout(400)
    assert.is(await text(page, '#status'), at)
    await page.click('#pause')
    await until(page, '#status', /Training/)
    assert.match(await page.title(), /^\d+ % · condlora/)
    assert.is(await page.isEnabled('#column-text'), false)
    await page.click('#stop')
    await until(page, '#outcome', /Stopped\. What it learnt is kept/)
    assert.is(await page.isEnabled('#start'), true)
    assert.is(await page.isEnabled('#download'), true)
    await until(page, '#offer', /step \d+ of 20, saved/)
  }))

test('an early stop says which adapter is restored', () =>
  visit('early', async ({ page }) => {
    await startRun(page)
    await until(page, '#outcome', /Stopped early.*best adapter, of step 15, is restored/)
  }))

test('a run of an earlier visit is offered; its settings come along', () =>
  visit('unfinished', async ({ page }) => {
    await until(page, '#offer', /LoRA on roberta-mini with the sample: step 8 of 20, saved 5 minutes ago/)
    await page.click('#resume')
    await until(page, '#outcome', /Done\. 20 steps/)
    assert.is(await page.inputValue('#set-r'), '4')
    assert.is(await page.isChecked('input[name=method][value=lora]'), true)
    assert.is(await page.locator('#offer').count(), 0)
    assert.match(String(await page.getAttribute('#curve-loss [role=img]', 'aria-label')), /at step 9 to/)
  }))

test('a run that goes on before the page has read its own model and rows keeps its settings, and says what it is', () =>
  visit('unfinished&late', async ({ page }) => {
    await until(page, '#offer', /LoRA on roberta-mini/)
    await page.click('#resume')
    await until(page, '#outcome', /Done\. 20 steps/)
    await ready(page)
    assert.is(Number(await page.inputValue('#set-learningRate')), 1e-3)
    assert.is(await page.inputValue('#set-r'), '4')
    assert.is(await text(page, '#resumed'), 'The run that went on: LoRA on roberta-mini with the sample.')
    await page.click('#start')
    await page.waitForFunction(() => !document.querySelector('#resumed'))
  }))

test('a run that came to its end is brought back', () =>
  visit('unfinished&finished', async ({ page }) => {
    await until(page, '#offer', /still here.*step 20 of 20/)
    await page.click('#resume')
    await until(page, '#outcome', /Done\. 20 steps/)
    await until(page, '#guess', /spam/)
    assert.is(await page.isEnabled('#download'), true)
  }))

test('after a want of memory smaller batches are offered; an offer can be declined', async () => {
  await visit('unfinished&smaller', async ({ page }) => {
    await until(page, '#offer', /In parts of 8 instead of 16 rows/)
    await page.click('#resume-smaller')
    await until(page, '#outcome', /Done/)
    await until(page, '.notices', /in parts of 8/)
    assert.is(await page.inputValue('#set-perDeviceTrainBatchSize'), '16')
  })
  await visit('unfinished', async ({ page }) => {
    await page.click('#discard')
    await page.waitForSelector('#offer', { state: 'detached' })
    await ready(page)
  })
})

test('an error stands where it happened, as text, and the rest stays as it was', async () => {
  await visit('refuse=data', async ({ page }) => {
    await until(page, '#trouble-data', /cannot be read.*row 7 has 3 columns.*<script>.*Choose another file/)
    assert.is(await page.isEnabled('#start'), false)
    assert.match(await text(page, '#status'), /Choose data/)
    assert.match(await text(page, '#model-state'), /4 layers/)
    await axe(page)
  })
  await visit('fails&refuse=predict', async ({ page }) => {
    await page.click('input[name=method][value=lora]')
    await startRun(page)
    await until(page, '#trouble-run', /ended with an error.*not finite.*start again/)
    assert.is(await page.isChecked('input[name=method][value=lora]'), true)
    assert.is(await page.isEnabled('#start'), true)
    await until(page, '#trouble-sentence', /could not be judged/)
  })
})

test('a worker that dies is said, and started again with what was chosen', () =>
  visit('dies', async ({ page }) => {
    await ready(page)
    await page.fill('#set-r', '5')
    await page.click('#start')
    await until(page, '#trouble-worker', /has ended.*Out of memory in the worker.*choices are kept/)
    await page.click('#restart')
    await ready(page)
    assert.is(await page.inputValue('#set-r'), '5')
    assert.is(await page.locator('#trouble-worker').count(), 0)
  }))

test('files: dropped data with two texts, a chosen folder, an adapter down and up', () =>
  visit('', async ({ page }) => {
    await ready(page)
    await page.click('input[name=source][value=file]')
    await until(page, '#status', /Choose data/)
    assert.is(await page.isEnabled('#start'), false, 'nothing is trained on that is not seen')
    await page.setInputFiles('#data-file', { name: 'pairs.csv', mimeType: 'text/csv', buffer: Buffer.from('x') })
    await until(page, '#data', /pairs\.csv, 4,329 rows/)
    assert.is(await page.inputValue('#column-text'), 'sentence1')
    assert.is(await page.inputValue('#column-pair'), 'sentence2')
    assert.is(await page.inputValue('#column-label'), 'label')
    const dropped = await page.evaluateHandle(() => {
      const transfer = new DataTransfer()
      transfer.items.add(new File(['x'], 'dropped.jsonl'))
      return transfer
    })
    await page.dispatchEvent('#data .drop', 'drop', { dataTransfer: dropped })
    await until(page, '#data', /dropped\.jsonl/)
    await page.click('input[name=base][value=files]')
    await page.setInputFiles('#model-files', { name: 'config.json', mimeType: 'application/json', buffer: Buffer.from('{}') })
    await until(page, '#model', /config\.json/)
    await ready(page)
    assert.is(await page.isEnabled('#download'), false)
    await page.setInputFiles('#adapter-files', { name: 'adapter.zip', mimeType: 'application/zip', buffer: Buffer.from('PK') })
    await until(page, '#adapter-card', /CondLoRA: ham, spam/)
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')])
    assert.is(download.suggestedFilename(), 'adapter.zip')
  }))

test(
  'adapters side by side: from files, as one learns, each with its answer and its time; removed by keyboard; axe finds nothing',
  async () => {
    for (const width of [1200, 360])
      await visit('', async ({ page }) => {
        await page.setViewportSize({ width, height: 800 })
        await ready(page)
        assert.is(await page.isEnabled('#compare-current'), false, 'there is none yet')
        const zip = (name: string) => ({ name, mimeType: 'application/zip', buffer: Buffer.from('PK') })
        await page.setInputFiles('#compare-files', zip('first.zip'))
        await until(page, '#compare', /first.*ham.*spam.*CondLoRA: switched and answered in 3\.25 ms/)
        await page.setInputFiles('#compare-files', zip('other.zip'))
        await until(page, '#trouble-compare', /cannot be compared.*tensor <b> is missing/)
        await page.click('#start')
        await until(page, '#outcome', /Done/)
        await page.click('#compare-current')
        await until(page, '#compare', /2 on one base model.*first.*condlora-step-20.*4\.25 ms/)
        const before = await text(page, '#compare li:first-child .guess')
        await page.fill('#sentence', 'see you on Friday')
        await page.waitForFunction((was) => document.querySelector('#compare li:first-child .guess')?.textContent !== was, before)
        await axe(page)
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
        assert.is(overflow, 0, `nothing sticks out at ${width} px`)
        await page.focus('[aria-label="Remove first"]')
        await page.keyboard.press('Enter')
        await page.waitForFunction(() => document.activeElement?.id === 'compare-title')
        assert.equal(await page.locator('#compare h3').allTextContents(), ['condlora-step-20'])
        await page.click('input[name=base][value=files]')
        await page.setInputFiles('#model-files', { name: 'config.json', mimeType: 'application/json', buffer: Buffer.from('{}') })
        await page.waitForFunction(() => document.querySelectorAll('#compare li').length === 0)
      })
  },
  { timeoutMs: 240_000 },
)

test('what is kept is listed with its size, and cleared after a question', () =>
  visit('', async ({ page }) => {
    await until(page, '#storage', /roberta-base.*498 MB/)
    await ready(page)
    await page.focus('#clear')
    await page.keyboard.press('Enter')
    await page.waitForFunction(() => document.activeElement?.id === 'clear-yes')
    await page.keyboard.press('Enter')
    await until(page, '#storage', /Nothing yet/)
    await page.waitForFunction(() => document.activeElement?.id === 'storage-title')
  }))

test('a setting out of range starts nothing', () =>
  visit('', async ({ page }) => {
    await ready(page)
    await page.fill('#set-r', '0')
    await page.click('#start')
    assert.is(await page.locator('#set-r:invalid').count(), 1)
    assert.match(await text(page, '#status'), /Ready/)
  }))

test('without WebGPU, in the page or in workers, it says which browsers have it', async () => {
  await visit(
    '',
    async ({ page }) => {
      assert.match(await text(page, 'main'), /offers no WebGPU[\s\S]*Chrome and Edge 113[\s\S]*Safari 26[\s\S]*Firefox 141/)
      await axe(page)
    },
    (page) => page.addInitScript(() => Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined })),
  )
  await visit('deviceless', async ({ page }) => {
    await until(page, 'main', /page’s worker has no GPU: this browser has no WebGPU in workers/)
    assert.match(await text(page, 'main'), /dom\.webgpu\.workers\.enabled/)
  })
})

/** Waits until the training loss is drawn in this colour. */
const drawnIn = (page: Page, rgb: string) =>
  page.waitForFunction(
    (wanted) => {
      const canvas = document.querySelector<HTMLCanvasElement>('#curve-loss canvas')
      const image = canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? []
      for (let i = 0; i < image.length; i += 4)
        if (image[i + 3] === 255 && `${image[i]},${image[i + 1]},${image[i + 2]}` === wanted) return true
      return false
    },
    rgb,
    { polling: 200 },
  )
