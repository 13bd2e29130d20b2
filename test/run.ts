// `node dist/test/run.js [part of a name …]`: runs the test files and prints the adapter and the totals.
// CONDLORA_TEST_ADAPTER=NAME: fails on any adapter but this one; `swiftshader` is taken even where there is a GPU.
import { readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadSoftwareAdapter } from '../src/gpu/software.node'
import { runFile } from './driver'
import { adapterProblem } from './records'

const root = dirname(fileURLToPath(import.meta.url))

async function main(filters: string[]): Promise<void> {
  const all = readdirSync(root, { recursive: true })
    .map(String)
    .filter((f) => f.endsWith('.test.js'))
  const files = all.filter((f) => !filters.length || filters.some((x) => f.includes(x))).sort()
  const wanted = process.env.CONDLORA_TEST_ADAPTER
  if (wanted === 'swiftshader') await useSwiftShader()
  const adapters = new Map<string, string>()
  let passed = 0
  let failed = 0
  for (const file of files) {
    const start = performance.now()
    const result = await runFile(join(root, file))
    passed += result.passed
    failed += result.failed
    for (const [name, device] of result.adapters) {
      if (device && !adapters.get(name)) console.log(`adapter: ${name}; ${device}`)
      adapters.set(name, adapters.get(name) || device)
    }
    console.log(
      `${result.failed ? 'FAIL' : 'ok  '} ${relative('.', file).padEnd(40)} ${String(result.passed).padStart(3)} passed  ${((performance.now() - start) / 1000).toFixed(1)} s`,
    )
    for (const problem of result.problems) console.log(`     ${problem.split('\n').join('\n     ')}`)
  }
  for (const [name, device] of adapters) if (!device) console.log(`adapter: ${name}`)
  const problem = adapterProblem(wanted, [...adapters.keys()])
  if (problem) {
    failed++
    console.log(`FAIL ${problem}`)
  }
  if (passed + failed === 0) failed = 1
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed ? 1 : 0
}

/** The test files inherit the choice of driver: a Vulkan loader of the machine's own looks nowhere else. */
async function useSwiftShader(): Promise<void> {
  delete process.env.CONDLORA_VULKAN
  await loadSoftwareAdapter()
}

await main(process.argv.slice(2))
