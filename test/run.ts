// `node dist/test/run.js [part of a name …]`: runs the test files and prints the totals.
import { readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runFile } from './driver'

const root = dirname(fileURLToPath(import.meta.url))

async function main(filters: string[]): Promise<void> {
  const all = readdirSync(root, { recursive: true })
    .map(String)
    .filter((f) => f.endsWith('.test.js'))
  const files = all.filter((f) => !filters.length || filters.some((x) => f.includes(x))).sort()
  let passed = 0
  let failed = 0
  for (const file of files) {
    const start = performance.now()
    const result = await runFile(join(root, file))
    passed += result.passed
    failed += result.failed
    console.log(
      `${result.failed ? 'FAIL' : 'ok  '} ${relative('.', file).padEnd(40)} ${String(result.passed).padStart(3)} passed  ${((performance.now() - start) / 1000).toFixed(1)} s`,
    )
    for (const problem of result.problems) console.log(`     ${problem.split('\n').join('\n     ')}`)
  }
  if (passed + failed === 0) failed = 1
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed ? 1 : 0
}

await main(process.argv.slice(2))
