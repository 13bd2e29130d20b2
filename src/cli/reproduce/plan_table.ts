import type { TaskData } from '../data'
import type { Common } from '../flags'
import { type MethodName, methodOf } from '../methods'
import { duration } from '../progress'
import { print } from '../say'
import { forecast, measure, type Pace } from './measure'
import type { PlannedRun } from './plan'
import type { Recipe } from './recipe'
import { table } from './table'

/** Runs of one method on one task, for the plan. */
interface PlanLine {
  task: string
  method: MethodName
  trials: number
  seeds: number
  learningRates: number[]
  stepsPerRun: number
  /** Of all its runs. */
  rowsTrained: number
  rowsEvaluated: number
  /** Forecast; null where model or data are not here. */
  seconds: number | null
}

/** `--plan`: what there is to do, and how long it takes here, from a few steps of each method. */
export async function forecastPlan(
  runs: PlannedRun[],
  data: (recipe: Recipe) => Promise<TaskData>,
  options: Common,
  say: (line: string) => void,
): Promise<void> {
  const lines: PlanLine[] = []
  let missing = ''
  for (const mine of grouped(runs)) {
    let seconds: number | null = null
    try {
      seconds = await forecastAll(mine, await data(mine[0].recipe), say)
    } catch (thrown) {
      missing ||= `${mine[0].recipe.name}: no forecast of the time: ${(thrown as Error).message}`
    }
    lines.push({ ...lineOf(mine), seconds })
  }
  if (options.json) return print(JSON.stringify({ runs: runs.length, plan: lines }))
  const known = lines.every(({ seconds }) => seconds !== null)
  const total = lines.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0)
  print(planTable(lines))
  print(known ? `${runs.length} runs, at most about ${duration(total)} on this machine` : `${runs.length} runs. ${missing}`)
}

async function forecastAll(runs: PlannedRun[], data: TaskData, say: (line: string) => void): Promise<number> {
  const pace: Pace = await measure(runs[0], data, say)
  const rows = { train: 'rows' in data.train ? data.train.rows.length : 0, test: data.test?.rows.length ?? 0 }
  return runs.reduce((sum, run) => sum + forecast(run, pace, rows), 0)
}

/** By task and method. */
function grouped(runs: PlannedRun[]): PlannedRun[][] {
  const groups = new Map<string, PlannedRun[]>()
  for (const run of runs) {
    const key = `${run.recipe.name}/${run.method}`
    groups.set(key, [...(groups.get(key) ?? []), run])
  }
  return [...groups.values()]
}

function lineOf(runs: PlannedRun[]): Omit<PlanLine, 'seconds'> {
  const [{ recipe, method, cost }] = runs
  const of = (kind: PlannedRun['kind']) => runs.filter((run) => run.kind === kind)
  return {
    ...{ task: recipe.name, method, trials: of('trial').length, seeds: of('seed').length },
    learningRates: [...new Set(runs.flatMap(({ learningRate }) => learningRate ?? []))],
    stepsPerRun: cost.steps,
    rowsTrained: cost.trained * runs.length,
    rowsEvaluated: cost.evaluated * runs.length,
  }
}

function planTable(lines: PlanLine[]): string {
  const n = (value: number) => value.toLocaleString('en-US')
  const rates = ({ learningRates: found, trials }: PlanLine) =>
    trials ? `search: ${found.map((rate) => rate.toExponential(1)).join(' ')}` : String(found[0])
  const head = ['task', 'method', 'trials', 'seeds', 'steps a run', 'rows trained', 'rows evaluated', 'forecast', 'learning rate']
  return table([
    head,
    ...lines.map((line) => [
      ...[line.task, methodOf(line.method).title, n(line.trials), n(line.seeds), n(line.stepsPerRun), n(line.rowsTrained)],
      ...[n(line.rowsEvaluated), line.seconds === null ? '–' : duration(line.seconds), rates(line)],
    ]),
  ])
}

/** What is going to be done. */
export function planText(runs: PlannedRun[], folder: string): string {
  const steps = runs.reduce((sum, { cost }) => sum + cost.steps, 0)
  return `${planTable(grouped(runs).map((mine) => ({ ...lineOf(mine), seconds: null })))}\n${runs.length} runs, at most ${steps.toLocaleString('en-US')} steps, in ${folder}; what is there already is not done again`
}
