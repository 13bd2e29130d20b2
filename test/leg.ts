import { adapterProblem, type FileResult } from './records'

export interface Job {
  file: string
  /** Where it differs from the file's name. */
  name?: string
  /** Measures what others beside it would change. */
  alone?: boolean
  run: () => Promise<FileResult>
}

interface Done {
  job: Job
  result: FileResult
  ms: number
}

export interface LegResult {
  passed: number
  failed: number
  /** Tests by file. */
  tests: Map<string, number>
}

/**
 * Runs the jobs, `lanes` of them at a time, those that want to be alone first; prints a line for each in the order in which they
 * began, what failed, the adapters, and the leg's totals.
 */
export async function runLeg(leg: string, jobs: Job[], wanted: string | undefined, lanes = 1): Promise<LegResult> {
  const adapters = new Map<string, string>()
  const tests = new Map<string, number>()
  const start = performance.now()
  let [passed, failed] = [0, 0]
  const count = ({ job: { file, name = file }, result, ms }: Done) => {
    passed += result.passed
    failed += result.failed
    tests.set(file, result.passed + result.failed)
    for (const [adapter, device] of result.adapters) {
      if (device && !adapters.get(adapter)) console.log(`adapter: ${adapter}; ${device}`)
      adapters.set(adapter, adapters.get(adapter) || device)
    }
    console.log(
      `${result.failed ? 'FAIL' : 'ok  '} ${leg.padEnd(8)} ${name.padEnd(36)} ${String(result.passed).padStart(3)} passed  ${seconds(ms)}`,
    )
    for (const problem of result.problems) console.log(`     ${problem.split('\n').join('\n     ')}`)
  }
  const [alone, beside] = [true, false].map((wish) => jobs.filter((job) => !!job.alone === wish))
  await runAll(alone, 1, count)
  await runAll(beside, lanes, count)
  for (const [name, device] of adapters) if (!device) console.log(`adapter: ${name}`)
  const problem = adapterProblem(wanted, [...adapters.keys()])
  if (problem) {
    failed++
    console.log(`FAIL ${problem}`)
  }
  console.log(`${leg}: ${passed} passed, ${failed} failed, ${seconds(performance.now() - start)}`)
  return { passed, failed, tests }
}

/** Runs the jobs, `lanes` of them at a time; `tell` hears of them in their order. */
async function runAll(jobs: Job[], lanes: number, tell: (done: Done) => void): Promise<void> {
  const done: Done[] = []
  let [begun, told] = [0, 0]
  const lane = async () => {
    while (begun < jobs.length) {
      const i = begun++
      const start = performance.now()
      done[i] = { job: jobs[i], result: await jobs[i].run(), ms: performance.now() - start }
      while (done[told]) tell(done[told++])
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`

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
