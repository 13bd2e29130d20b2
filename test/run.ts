// `node dist/test/run.js [--node | --browser] [part of a name …] [-part of a name …]`: runs the test files, those with -part
// left out, in Node and in Chromium unless one is asked for; prints each leg's adapter and totals, and the sum last.
// CONDLORA_TEST_ADAPTER=NAME: fails on any adapter but this one; `swiftshader` is taken even where there is a GPU.
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadSoftwareAdapter } from '../src/gpu/software.node'
import { runFile } from './driver'
import { type Job, type LegResult, runLeg, shareOfBoth } from './leg'
import { runInChromium } from './page/suite'

const root = dirname(fileURLToPath(import.meta.url))

/** Files at a time: a file by itself leaves the processor idle at times. */
const lanes = Math.min(2, availableParallelism())

/** Files that measure the process they run in, or how fast it is. */
const alone = ['node/memory.test.js', 'node/exit.test.js']

/** Files that Chromium runs in a worker as well: pages train there. */
const inWorkerToo = ['train/trainer.test.js']

async function main(args: string[]): Promise<void> {
  const filters = args.filter((arg) => !arg.startsWith('-'))
  const without = args.filter((arg) => /^-[^-]/.test(arg)).map((arg) => arg.slice(1))
  const unknown = args.find((arg) => arg.startsWith('--') && !['--node', '--browser'].includes(arg))
  if (unknown) throw new Error(`${unknown}: there are --node and --browser`)
  const both = args.includes('--node') === args.includes('--browser')
  const files = readdirSync(root, { recursive: true })
    .map((file) => String(file).replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.test.js') && (!filters.length || filters.some((part) => file.includes(part))))
    .filter((file) => !without.some((part) => file.includes(part)))
    .sort()
  const wanted = process.env.CONDLORA_TEST_ADAPTER
  if (wanted === 'swiftshader') await useSwiftShader()
  const legs: LegResult[] = []
  if (both || args.includes('--node')) legs.push(await runLeg('Node', nodeJobs(files), wanted, lanes))
  if (both || args.includes('--browser')) legs.push(await runLeg('Chromium', browserJobs(files), wanted, lanes))
  let [passed, failed] = [0, 0]
  for (const leg of legs) {
    passed += leg.passed
    failed += leg.failed
  }
  if (both && !filters.length && !without.length) {
    const { text, enough } = shareOfBoth(legs[0].tests, legs[1].tests)
    console.log(`${enough ? '' : 'FAIL '}${text}${enough ? '' : ': wanted four fifths'}`)
    if (!enough) failed++
  }
  if (passed + failed === 0) failed = 1
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed ? 1 : 0
}

const nodeJob = (file: string): Job => ({ file, alone: alone.includes(file), run: () => runFile(join(root, file)) })

function nodeJobs(files: string[]): Job[] {
  return files.filter((file) => !file.startsWith('page/')).map(nodeJob)
}

/** What runs in Chromium, and what drives Chromium from Node. */
function browserJobs(files: string[]): Job[] {
  const shared = files.filter((file) => !/^(node|page)\//.test(file))
  const pages = shared.map((file) => ({ file, run: () => runInChromium(file) }))
  const workers = inWorkerToo
    .filter((file) => shared.includes(file))
    .map((file) => ({ file, name: `${file} in a worker`, run: () => runInChromium(file, { worker: true }) }))
  return [...pages, ...workers, ...files.filter((file) => file.startsWith('page/')).map(nodeJob)]
}

/** The test files inherit the choice of driver: a Vulkan loader of the machine's own looks nowhere else. */
async function useSwiftShader(): Promise<void> {
  delete process.env.CONDLORA_VULKAN
  await loadSoftwareAdapter()
}

await main(process.argv.slice(2))
