// The training page with its real worker, by the buttons a visitor has: train, leave, go on, download, load back.
import { readFile } from 'node:fs/promises'
import { unzipSync } from 'fflate'
import type { Page } from 'playwright-core'
import { isLinuxX64 } from '../../src/gpu/chromium.node'
import { memoryFiles } from '../../src/io'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { PeftModel } from '../../src/peft'
import { assert, openTestDevice, test } from '../harness'
import { miniTokenizer } from '../tiny'
import { axe } from './axe'
import { ready, text, until, visit } from './visit'

const mail = 'Congratulations! You have been selected to receive a FREE prize. Click here to claim your money now.'
const isOwnBrowser = isLinuxX64 && !process.env.CONDLORA_CHROME

/** Steps and losses of the table below the curves. */
const losses = (page: Page) =>
  page
    .locator('#curves tbody tr')
    .evaluateAll((rows) => rows.map((row) => [Number(row.children[0].textContent), Number(row.children[2].textContent)]))

const scores = async (page: Page): Promise<Record<string, number>> => {
  const found = await page
    .locator('#guess > div')
    .evaluateAll((all) =>
      all.map((row) => [row.querySelector('dt')?.textContent, Number(row.querySelector('[data-score]')?.getAttribute('data-score'))]),
    )
  return Object.fromEntries(found)
}

test(
  'trains on the sample until the loss falls, goes on after a reload in the middle; the adapter that it downloads says the same in Node and when loaded back',
  () =>
    visit(null, async ({ page }) => {
      await ready(page)
      assert.match(await text(page, '#adapter'), /\w{3}/)
      assert.match(await text(page, '#data'), /4,329 rows/)
      await page.fill('#set-numTrainEpochs', '0.09')
      await page.fill('#sentence', mail)
      await page.click('#start')
      await until(page, '#run', /saved at step [3-9]/)
      await until(page, '#guess', /ham.*spam/)
      await page.reload()
      await until(page, '#offer', /CondLoRA on roberta-mini with sample: step \d+ of 25/)
      assert.is(await page.locator('#resume-smaller').count(), 0, 'a page that was left was not killed for want of memory')
      await ready(page)
      await axe(page)
      await page.click('#resume')
      await until(page, '#outcome', /Done\. 25 steps/)
      await page.click('#curves summary')
      const rows = await losses(page)
      assert.equal(
        rows.map(([step]) => step),
        Array.from({ length: 25 }, (_, i) => i + 1),
      )
      const mean = (some: number[][]) => some.reduce((sum, [, loss]) => sum + loss, 0) / some.length
      assert.ok(mean(rows.slice(-6)) < 0.9 * mean(rows.slice(0, 6)), JSON.stringify(rows))
      await page.fill('#sentence', mail)
      await page.click('#predict')
      await until(page, '#announcement', /^(spam|ham), /)
      const said = await scores(page)
      const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')])
      assert.is(download.suggestedFilename(), 'roberta-mini-condlora.zip')
      const zip = await readFile(await download.path())
      const inNode = await scoresInNode(unzipSync(zip))
      for (const label of ['ham', 'spam'])
        assert.ok(
          isOwnBrowser ? inNode[label] === said[label] : Math.abs(inNode[label] - said[label]) < 1e-5,
          JSON.stringify([inNode, said]),
        )
      await page.setInputFiles('#adapter-files', { name: 'mine.zip', mimeType: 'application/zip', buffer: zip })
      await until(page, '#adapter-card', /CondLoRA: ham, spam/)
      await until(page, '#try', /with the loaded adapter/)
      assert.equal(await scores(page), said)
      await until(page, '#storage', /the last run/)
      await page.click('#clear')
      await page.click('#clear-yes')
      await until(page, '#storage', /Nothing yet/)
    }),
  { timeoutMs: 900_000 },
)

async function scoresInNode(files: Record<string, Uint8Array>): Promise<Record<string, number>> {
  const base = await AutoModelForSequenceClassification.fromPretrained('models/roberta-mini', {
    device: await openTestDevice(),
    id2label: ['ham', 'spam'],
    notice: () => {},
  })
  const adapter = memoryFiles('adapter', Object.entries(files))
  const [{ scores }] = await (await PeftModel.fromPretrained(base, adapter)).predict([mail], await miniTokenizer())
  return { ham: scores[0], spam: scores[1] }
}

test('what is broken is refused with its row, what is right is taken after it; nothing else is lost', () =>
  visit(null, async ({ page }) => {
    await ready(page)
    await page.fill('#set-r', '4')
    const choose = (name: string, rows: string) =>
      page.setInputFiles('#data-file', { name, mimeType: 'text/csv', buffer: Buffer.from(rows) })
    await page.click('input[name=source][value=file]')
    await choose('rows.csv', 'text,label\ngood,ham\nbad\nalso,spam\n')
    await until(page, '#trouble-data', /cannot be read.*rows\.csv, row 3: wanted 2 columns as in the header, got 1.*Choose another file/)
    await choose('pairs.csv', `premise,hypothesis,gold_label\n${'it rains,it is wet,yes\nit rains,it is dry,no\n'.repeat(4)}`)
    await until(page, '#data', /pairs\.csv, 8 rows/)
    const columns = await Promise.all(['text', 'pair', 'label'].map((name) => page.inputValue(`#column-${name}`)))
    assert.equal(columns, ['premise', 'hypothesis', 'gold_label'])
    assert.is(await page.locator('#trouble-data').count(), 0)
    assert.is(await page.inputValue('#set-r'), '4')
    await page.setInputFiles('#adapter-files', { name: 'no.zip', mimeType: 'application/zip', buffer: Buffer.from('no zip') })
    await until(page, '#trouble-adapter', /no\.zip: this zip file cannot be read/)
    await page.click('input[name=base][value=files]')
    await page.setInputFiles('#model-files', { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('x') })
    await until(page, '#trouble-model', /there is no config\.json/)
    assert.is(await page.isEnabled('#start'), false)
    await page.click('input[name=base][value=embedded]')
    await ready(page)
  }))
