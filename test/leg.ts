import { adapterProblem, type FileResult } from './records'

export interface Job {
  file: string
  /** Where it differs from the file's name. */
  name?: string
  run: () => Promise<FileResult>
}

export interface LegResult {
  passed: number
  failed: number
  /** Tests by file. */
  tests: Map<string, number>
}

/** Runs the jobs one after the other; prints a line for each, what failed, the adapters, and the leg's totals. */
export async function runLeg(leg: string, jobs: Job[], wanted: string | undefined): Promise<LegResult> {
  const adapters = new Map<string, string>()
  const tests = new Map<string, number>()
  const start = performance.now()
  let [passed, failed] = [0, 0]
  for (const { file, name = file, run } of jobs) {
    const began = performance.now()
    const result = await run()
    passed += result.passed
    failed += result.failed
    tests.set(file, result.passed + result.failed)
    for (const [adapter, device] of result.adapters) {
      if (device && !adapters.get(adapter)) console.log(`adapter: ${adapter}; ${device}`)
      adapters.set(adapter, adapters.get(adapter) || device)
    }
    console.log(
      `${result.failed ? 'FAIL' : 'ok  '} ${leg.padEnd(8)} ${name.padEnd(36)} ${String(result.passed).padStart(3)} passed  ${seconds(began)}`,
    )
    for (const problem of result.problems) console.log(`     ${problem.split('\n').join('\n     ')}`)
  }
  for (const [name, device] of adapters) if (!device) console.log(`adapter: ${name}`)
  const problem = adapterProblem(wanted, [...adapters.keys()])
  if (problem) {
    failed++
    console.log(`FAIL ${problem}`)
  }
  console.log(`${leg}: ${passed} passed, ${failed} failed, ${seconds(start)}`)
  return { passed, failed, tests }
}

const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** How many of all tests both legs run: as one sentence, and whether they are four fifths. */
export function shareOfBoth(first: Map<string, number>, second: Map<string, number>): { text: string; enough: boolean } {
  const all = new Map([...first, ...second])
  const sum = (files: string[]) => files.reduce((total, file) => total + all.get(file)!, 0)
  const [both, total] = [sum([...first.keys()].filter((file) => second.has(file))), sum([...all.keys()])]
  return {
    text: `${both} of ${total} tests (${Math.round((100 * both) / total)} %) run in Node and in Chromium`,
    enough: both >= 0.8 * total,
  }
}
