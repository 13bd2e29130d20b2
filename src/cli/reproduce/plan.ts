import { paperValidationRows } from '../../data/glue'
import { UsageError } from '../failure'
import type { Settings } from '../flags'
import { type MethodName, methodOf } from '../methods'
import { forMethod } from '../settings'
import { metricKey } from './methods'
import type { Recipe } from './recipe'
import { logUniform, searchSeed } from './search'

/** One training: a trial of a learning rate, or a seed that counts. */
export interface PlannedRun {
  recipe: Recipe
  method: MethodName
  kind: 'trial' | 'seed'
  /** Which trial, from 1, or the seed. */
  number: number
  /** undefined until the search has chosen it. */
  learningRate?: number
  /** Below the output folder. */
  folder: string
  cost: Cost
}

/** At most: an early stop makes it less. */
export interface Cost {
  steps: number
  /** Rows seen in training, each as often as it is seen. */
  trained: number
  /** Rows evaluated on, likewise; those of the test are left out. */
  evaluated: number
}

export interface Wanted {
  methods: MethodName[]
  /** Default: the recipe's. */
  seeds?: number
  /** Trials of every method. Default: the recipe's, for methods that it has no learning rate for. */
  trials?: number
}

/** The runs of a task with so many labelled rows: for each method its trials, then its seeds. */
export function planRuns(recipe: Recipe, rows: number, { methods, seeds = recipe.seeds, trials }: Wanted): PlannedRun[] {
  const cost = costOf(recipe.settings, rows)
  return methods.flatMap((method) => {
    const known = trials === undefined || trials === 0 ? recipe.learningRates[method] : undefined
    const { low, high } = recipe.search
    const drawn = known === undefined ? logUniform(trials ?? recipe.search.trials, low, high) : []
    if (known === undefined && !drawn.length)
      throw new UsageError(`--trials 0: the recipe ${recipe.name} has no learning rate for ${methodOf(method).title}`)
    const run = (kind: PlannedRun['kind'], number: number, learningRate?: number): PlannedRun => {
      const folder = `${recipe.name}/${method}/${kind}-${number}`
      return { recipe, method, kind, number, learningRate, folder, cost }
    }
    return [
      ...drawn.map((learningRate, i) => run('trial', i + 1, learningRate)),
      ...Array.from({ length: seeds }, (_, i) => run('seed', i + 1, known)),
    ]
  })
}

function costOf(s: Settings, rows: number): Cost {
  const validation = paperValidationRows(rows)
  const perStep = (s.perDeviceTrainBatchSize ?? 8) * (s.gradientAccumulationSteps ?? 1)
  const stepsPerEpoch = Math.ceil((rows - validation) / perStep)
  const steps = s.maxSteps ?? Math.ceil((s.numTrainEpochs ?? 3) * stepsPerEpoch)
  const every = s.evalSteps ?? (s.evalStrategy === 'steps' ? (s.loggingSteps ?? 10) : stepsPerEpoch)
  const evaluations = s.evalStrategy === 'no' ? 1 : Math.ceil(steps / every)
  return {
    steps,
    trained: Math.min(steps * perStep, Math.ceil((steps / stepsPerEpoch) * (rows - validation))),
    evaluated: evaluations * validation,
  }
}

/**
 * What the run is trained with. A trial is judged by how it ends, as the authors' search judges it: no early stop, no best
 * model restored.
 */
export function runSettings({ recipe, method, kind, number }: PlannedRun, learningRate: number): Settings {
  const { earlyStoppingPatience, loadBestModelAtEnd, ...rest } = forMethod(recipe.settings, method)
  const patience = earlyStoppingPatience === undefined ? {} : { earlyStoppingPatience }
  return {
    ...rest,
    ...(kind === 'seed' ? { ...patience, loadBestModelAtEnd } : {}),
    split: 'paper',
    metricForBestModel: metricKey(recipe),
    greaterIsBetter: true,
    learningRate,
    seed: kind === 'trial' ? searchSeed : number,
  }
}
