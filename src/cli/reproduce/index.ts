import { openFolder } from '../../io'
import { readTrainingData, type TaskData } from '../data'
import { UsageError } from '../failure'
import { type Common, deviceFlags, type Settings } from '../flags'
import { onInterrupt } from '../interrupt'
import { type MethodName, methodNames } from '../methods'
import { once, print, speaker } from '../say'
import { merged, pick } from '../settings'
import { version } from '../version'
import { Experiment } from './experiment'
import { figure } from './figure'
import { comparedMethods } from './methods'
import { type PlannedRun, planRuns } from './plan'
import { forecastPlan, planText } from './plan_table'
import { type Recipe, readRecipes } from './recipe'
import { markdown, type TaskResult, taskResult } from './table'

export interface ReproduceOptions extends Common {
  recipe?: string
  methods?: string[]
  seeds?: number
  trials?: number
  output?: string
  plan?: boolean
  model?: string
  data?: string
  [key: string]: unknown
}

/** `condlora reproduce` */
export async function reproduce(tasks: string[], options: ReproduceOptions): Promise<void> {
  const { output: folder = 'reproduction', model, data: dataFolder } = options
  const methods = methodsOf(options.methods)
  const above: Settings = { ...pick(deviceFlags, options), ...(model ? { model } : {}), ...(dataFolder ? { data: dataFolder } : {}) }
  const recipes = (await readRecipes(tasks, options.recipe)).map((recipe) => ({ ...recipe, settings: merged(recipe.settings, above) }))
  const say = speaker(options)
  const data = readOnce(say)
  const runs: PlannedRun[] = []
  for (const recipe of recipes) runs.push(...planRuns(recipe, recipe.rows ?? rowsOf(await data(recipe)), { ...options, methods }))
  if (options.plan) return forecastPlan(runs, data, options, once(say))
  say(planText(runs, folder))
  const interrupt = onInterrupt(
    'condlora: finishing this step and saving; Ctrl-C again stops at once',
    'condlora: stopped and saved. To go on, give the same command again',
  )
  try {
    const experiment = new Experiment({ folder, runs, data, signal: interrupt.signal, say, quiet: options.quiet })
    const results: TaskResult[] = []
    for (const recipe of recipes) results.push(taskResult(recipe, await experiment.task(recipe)))
    await conclude(folder, results, recipes, options)
  } finally {
    interrupt.end()
  }
}

function methodsOf(given: string[] = comparedMethods): MethodName[] {
  const unknown = given.find((name) => !methodNames.includes(name as MethodName))
  if (unknown !== undefined) throw new UsageError(`--methods: wanted some of ${methodNames.join(', ')}, got ${unknown}`)
  return methodNames.filter((name) => given.includes(name))
}

/** Keeps the rows of the last task: others may be large. */
function readOnce(say: (line: string) => void): (recipe: Recipe) => Promise<TaskData> {
  let last: { recipe: Recipe; data: Promise<TaskData> } | undefined
  return (recipe) => {
    if (last?.recipe !== recipe) last = { recipe, data: read(recipe, say) }
    return last.data
  }
}

async function read(recipe: Recipe, say: (line: string) => void): Promise<TaskData> {
  const data = await readTrainingData({ ...recipe.settings, split: 'paper' }, say)
  const rows = rowsOf(data)
  if (recipe.rows !== undefined && recipe.rows !== rows)
    say(`condlora: ${recipe.name}: the recipe is for ${recipe.rows} labelled rows, the data has ${rows}`)
  return data
}

const rowsOf = ({ train, validation }: TaskData) =>
  [train, validation].reduce((n, part) => n + (part && 'rows' in part ? part.rows.length : 0), 0)

async function conclude(folder: string, results: TaskResult[], recipes: Recipe[], options: ReproduceOptions): Promise<void> {
  const text = markdown(results)
  const all = { condlora: version, results, recipes }
  const files = openFolder(folder)
  const written: [string, string][] = [
    ['results.json', `${JSON.stringify(all, null, 1)}\n`],
    ['table.md', `${text}\n`],
    ['figure.svg', await figure(results)],
  ]
  for (const [name, content] of written) await files.write(name, new TextEncoder().encode(content))
  print(options.json ? JSON.stringify(all) : `${text}\n${folder}: ${written.map(([name]) => name).join(', ')}`)
}
