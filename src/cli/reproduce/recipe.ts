import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as v from 'valibot'
import { glueTasks } from '../../data'
import { openFile, openFolder, readJson, validate } from '../../io'
import { UsageError } from '../failure'
import { type Flag, type Settings, trainFlags } from '../flags'
import { aboveZero, positive } from '../kinds'
import { type MethodName, methodNames } from '../methods'
import { checkCombinations, entriesOf } from '../settings'

// The plan gives these to each run.
const { seed, learningRate, method, output, split, metricForBestModel, greaterIsBetter, streaming, ...others } = trainFlags
const planned = { seed, learningRate, method, output, split, metricForBestModel, greaterIsBetter, streaming }

const text = v.pipe(v.string(), v.nonEmpty())
const percent = v.pipe(v.number(), v.finite())

const schema = v.strictObject({
  /** The task's name in tables. */
  title: text,
  /** What is reported, and what the best model is chosen by. */
  metric: v.picklist(['accuracy', 'f1', 'matthews', 'pearson', 'spearman']),
  /** Labelled rows before the split, for a plan that needs no data. */
  rows: v.optional(positive.schema),
  /** Runs of each method, seeds 1, 2, … */
  seeds: positive.schema,
  /** Learning rates are drawn between these, log-uniform. */
  search: v.strictObject({ low: aboveZero.schema, high: aboveZero.schema, trials: positive.schema }),
  /** As in a config file of `condlora train`. */
  settings: v.strictObject(entriesOf(others as Record<string, Flag<unknown>>)),
  /** Those known already: no search is made for these methods. */
  learningRates: v.optional(v.record(v.picklist(methodNames), aboveZero.schema), {}),
  /** The metric as others report it, in percent, and who. */
  reported: v.optional(v.strictObject({ by: text, ...Object.fromEntries(methodNames.map((name) => [name, v.optional(percent)])) })),
  notes: v.optional(v.array(text), []),
})

type Checked = v.InferOutput<typeof schema>

/** How one task of the experiment is done, as its JSON file says. */
export interface Recipe extends Omit<Checked, 'settings' | 'learningRates' | 'reported'> {
  /** The task's name on the command line, and its folder's. */
  name: string
  settings: Settings
  learningRates: Partial<Record<MethodName, number>>
  reported?: { by: string } & Partial<Record<MethodName, number>>
}

const shipped = fileURLToPath(new URL('./recipes', import.meta.url))

/** Names of the recipes that the package brings along. */
export const taskNames = ['mnli', 'sst2', 'mrpc', 'cola', 'qnli', 'qqp', 'rte', 'stsb', 'wnli', 'spam']

/** The recipes of these tasks, then of this file. @throws UsageError on a name that is not known, and on what is wrong in a file */
export async function readRecipes(tasks: string[], file: string | undefined): Promise<Recipe[]> {
  const unknown = tasks.find((task) => !taskNames.includes(task))
  if (unknown !== undefined)
    throw new UsageError(`there is no recipe ${unknown}; wanted some of ${taskNames.join(', ')}, or --recipe FILE with your own`)
  if (!tasks.length && file === undefined) throw new UsageError(`wanted a task (${taskNames.join(', ')}) or --recipe FILE`)
  const recipes = await Promise.all(
    tasks.map(async (task) => checked(task, `${task}.json`, await readJson(openFolder(shipped), `${task}.json`))),
  )
  if (file !== undefined) {
    const { files, path } = openFile(file)
    recipes.push(checked(basename(file, '.json'), file, await readJson(files, path, 1 << 20)))
  }
  const twice = recipes.find(({ name }, i) => recipes.findIndex((other) => other.name === name) < i)
  if (twice) throw new UsageError(`the task ${twice.name} is given twice`)
  return recipes
}

function checked(name: string, where: string, json: object): Recipe {
  const { settings } = json as { settings?: object }
  const own = Object.keys(settings ?? {}).find((key) => key in planned)
  if (own) throw new UsageError(`${where}: settings.${own}: is no part of a recipe, ${why[own as keyof typeof planned]}`)
  try {
    const recipe = validate(schema, json, where) as Checked & Pick<Recipe, 'settings' | 'learningRates' | 'reported'>
    const { low, high } = recipe.search
    if (low >= high) throw new Error(`${where}: search: wanted low below high, got ${low} and ${high}`)
    if (recipe.settings.model === undefined) throw new Error(`${where}: settings.model: is missing`)
    checkCombinations(recipe.settings, (key) => `${where}: settings.${key}`)
    checkMetric(recipe, where)
    return { ...recipe, name }
  } catch (thrown) {
    throw new UsageError((thrown as Error).message)
  }
}

const why: Record<keyof typeof planned, string> = {
  seed: 'each run gets its own',
  learningRate: 'it comes from learningRates or the search',
  method: 'it comes from --methods',
  output: 'it comes from --output',
  split: "it always is the paper's",
  metricForBestModel: 'it is the metric',
  greaterIsBetter: 'it always is',
  streaming: 'all rows are kept for every run',
}

function checkMetric({ metric, settings }: Pick<Recipe, 'metric' | 'settings'>, where: string): void {
  const regression = settings.task ? glueTasks[settings.task].numLabels === 1 : settings.regression
  const wanted = regression ? ['pearson', 'spearman'] : ['accuracy', 'f1', 'matthews']
  if (!wanted.includes(metric)) throw new Error(`${where}: metric: wanted one of ${wanted.join(', ')} for this task, got ${metric}`)
}
