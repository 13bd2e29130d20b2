import type { Page } from 'playwright-core'
import { assert, test } from '../harness'
import { shareOfBoth } from '../leg'
import { type RunOptions, runInChromium } from './suite'

/** How the driver must find each file. */
const bad: [string, RegExp, RunOptions?][] = [
  ['node/bad/gpu_error', /x: not an Error/],
  ['node/bad/undefined', /x: thrown: undefined/],
  ['node/bad/hook', /crashed: Error: before/],
  ['node/bad/never', /x: not done after 500 ms/],
  ['node/bad/exit', /x: process is not defined/],
  ['node/bad/import', /cannot be loaded, with function at hand/],
  ['node/bad/no_tests', /the file has no tests/],
  ['page/bad/hang', /x: registered, but never finished.*not done after 10000 ms/s, { limitMs: 10_000 }],
  ['page/bad/gone', /x: registered, but never finished.*the page left for about:blank/s],
  ['page/bad/rejection', /crashed: Error: unheard/],
  ['page/bad/console_error', /console error: something is wrong/],
  ['page/bad/unheard', /console warning: Error while parsing WGSL/],
  ['page/bad/idle', /the page crashed/, { during: crash }],
  ['page/bad/idle', /the device was lost/, { during: killGpuProcess }],
  ['page/bad/idle', /the page was closed/, { during: (page) => page.close() }],
  ['page/bad/idle', /the browser ended|the page was closed/, { during: async (page) => page.context().browser()?.close() }],
  ['no such file', /could not be run: .*404|the file has no tests/s],
]

async function crash(page: Page): Promise<void> {
  void page.goto('chrome://crash').catch(() => {}) // never arrives
}

async function killGpuProcess(page: Page): Promise<void> {
  const session = await page.context().browser()!.newBrowserCDPSession()
  const { processInfo } = await session.send('SystemInfo.getProcessInfo')
  process.kill(processInfo.find(({ type }) => type === 'GPU')!.id, 'SIGKILL')
}

for (const [file, problem, options] of bad)
  test(`the driver of the browser sees that ${file} fails: ${problem.source}`, async () => {
    const result = await runInChromium(`${file}.js`, { limitMs: 120_000, ...options })
    assert.ok(result.failed >= 1, JSON.stringify(result))
    assert.match(result.problems.join('\n'), problem)
  })

test('a good file passes in a page and in a worker, a bad one fails in a worker too', async () => {
  assert.equal(await count('page/bad/idle.js'), [1, 0])
  assert.equal(await count('ops/scale.test.js', { worker: true }), [1, 0])
  assert.equal(await count('node/bad/undefined.js', { worker: true }), [0, 1])
  assert.equal(await count('page/bad/rejection.js', { worker: true }), [1, 1])
})

async function count(file: string, options?: RunOptions): Promise<[number, number]> {
  const { passed, failed } = await runInChromium(file, { limitMs: 120_000, ...options })
  return [passed, failed]
}

test('the share of the tests that both legs run', () => {
  const node = new Map(Object.entries({ a: 8, 'node/b': 1 }))
  assert.equal(shareOfBoth(node, new Map(Object.entries({ a: 8, 'page/c': 1 }))), {
    text: '8 of 10 tests (80 %) run in Node and in Chromium',
    enough: true,
  })
  assert.is(shareOfBoth(node, new Map(Object.entries({ a: 8, 'page/c': 2 }))).enough, false)
})
