import { type MethodName, methodOf } from '../methods'
import type { MethodRuns } from './experiment'
import { metricKey } from './methods'
import type { Recipe } from './recipe'
import { type PairedTest, pairedTTest, type Summary, summary } from './statistics'

/** One method on one task. The metric is in percent. */
export interface Cell extends Summary {
  method: MethodName
  learningRate: number
  trials: MethodRuns['trials']
  seeds: { seed: number; value: number }[]
  /** Trained numbers: the adapter's, the head's. */
  parameters: { adapter: number; head: number } | null
  /** By others. */
  reported?: number
}

/** One task: a column of the table. */
export interface TaskResult {
  task: string
  title: string
  metric: Recipe['metric']
  model: string
  device: string[]
  reportedBy?: string
  cells: Cell[]
  /** CondLoRA against each other method, over the seeds. */
  tests: ({ method: MethodName; reported?: number } & PairedTest)[]
}

export function taskResult(recipe: Recipe, found: MethodRuns[]): TaskResult {
  const cells = found.map((runs) => cellOf(recipe, runs))
  const ours = cells.find(({ method }) => method === 'condlora')
  const results = found.flatMap(({ seeds }) => seeds.map(({ result }) => result))
  return {
    ...{
      task: recipe.name,
      title: recipe.title,
      metric: recipe.metric,
      model: recipe.settings.model as string,
      reportedBy: recipe.reported?.by,
    },
    device: [...new Set(results.flatMap(({ device }) => device ?? []))],
    cells,
    tests: ours ? cells.filter((cell) => cell !== ours).map((other) => compared(ours, other)) : [],
  }
}

function cellOf(recipe: Recipe, { method, learningRate, trials, seeds }: MethodRuns): Cell {
  const key = metricKey(recipe)
  const values = seeds.map(({ seed, result }) => ({ seed, value: 100 * (result.test?.[key] ?? Number.NaN) }))
  const { parameters } = seeds[0].result
  const reported = recipe.reported?.[method]
  return {
    ...{ method, learningRate, trials, seeds: values },
    ...summary(values.map(({ value }) => value)),
    parameters: parameters && { adapter: parameters.adapter, head: parameters.head },
    ...(reported === undefined ? {} : { reported }),
  }
}

function compared(ours: Cell, other: Cell): TaskResult['tests'][number] {
  const values = (cell: Cell) => cell.seeds.map(({ value }) => value)
  const known = ours.reported !== undefined && other.reported !== undefined
  const reported = known ? { reported: Number(ours.reported) - Number(other.reported) } : {}
  return { method: other.method, ...reported, ...pairedTTest(values(ours), values(other)) }
}

/** The paper's table 2, in Markdown: a row for each method, a column for each task, percent; beneath, what others report. */
export function markdown(results: TaskResult[]): string {
  const sources = [...new Set(results.flatMap(({ reportedBy }) => reportedBy ?? []))]
  const by = sources.length > 1 ? 'reported' : sources[0]
  const methods = [...new Set(results.flatMap(({ cells }) => cells.map(({ method }) => method)))]
  const cell = ({ cells }: TaskResult, method: MethodName) => cells.find((each) => each.method === method)
  const rows = methods.flatMap((method) => [
    [methodOf(method).title, trained(results, method), ...results.map((r) => valueText(cell(r, method)))],
    ...optional([`– ${by}`, '', ...results.map((r) => fixed(cell(r, method)?.reported))]),
    ...optional(['– difference', '', ...results.map((r) => difference(cell(r, method)))]),
  ])
  const others = methods.filter((method) => results.some((r) => r.tests.some((test) => test.method === method)))
  const test = ({ tests }: TaskResult, method: MethodName) => tests.find((each) => each.method === method)
  const tests = others.flatMap((method) => [
    [`CondLoRA − ${methodOf(method).title}`, '', ...results.map((r) => testText(test(r, method)))],
    ...optional([`– ${by}`, '', ...results.map((r) => signed(test(r, method)?.reported))]),
  ])
  const head = ['', 'trained numbers', ...results.map(({ title, metric }) => `${title}, ${metric}`)]
  return table([head, ...rows, ...tests])
}

/** A row without a number is left out. */
const optional = (row: string[]): string[][] => (row.slice(2).some(Boolean) ? [row] : [])

function valueText(cell: Cell | undefined): string {
  if (!cell) return ''
  return cell.deviation === null ? fixed(cell.mean) : `${fixed(cell.mean)} ± ${fixed(cell.deviation)}`
}

const difference = (cell: Cell | undefined) => (cell?.reported === undefined ? '' : signed(cell.mean - cell.reported))

function testText(test: TaskResult['tests'][number] | undefined): string {
  if (!test) return ''
  return `${signed(test.difference)}${test.p === null ? '' : ` (p = ${test.p < 0.001 ? test.p.toExponential(0) : test.p.toFixed(3)})`}`
}

const fixed = (value: number | undefined) => (value === undefined ? '' : value.toFixed(1))

function signed(value: number | undefined): string {
  if (value === undefined) return ''
  const text = Math.abs(value).toFixed(1)
  return text === '0.0' ? text : `${value < 0 ? '−' : '+'}${text}`
}

/** The adapter's alone where it is the same for all tasks, as the paper has it; the head's depends on the task. */
function trained(results: TaskResult[], method: MethodName): string {
  const found = results.flatMap(({ cells }) => cells.filter((cell) => cell.method === method).flatMap(({ parameters }) => parameters ?? []))
  const counts = new Set(found.map(({ adapter, head }) => `${adapter.toLocaleString('en-US')} + head ${head.toLocaleString('en-US')}`))
  return counts.size === 1
    ? [...counts][0]
    : [...new Set(found.map(({ adapter }) => `${adapter.toLocaleString('en-US')} + head`))].join(', ')
}

/** Markdown whose columns stand below each other in plain text, too. */
export function table(rows: string[][]): string {
  const widths = rows[0].map((_, at) => Math.max(3, ...rows.map((row) => row[at].length)))
  const line = (row: string[]) => `| ${row.map((text, at) => (at ? text.padStart(widths[at]) : text.padEnd(widths[at]))).join(' | ')} |`
  const rule = `| ${widths.map((width, at) => (at ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width))).join(' | ')} |`
  return [line(rows[0]), rule, ...rows.slice(1).map(line)].join('\n')
}
