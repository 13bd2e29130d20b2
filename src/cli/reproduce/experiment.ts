import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AutoTokenizer, type Tokenizer } from '../../data'
import { StepError } from '../../train/health'
import type { TaskData } from '../data'
import { UsageError } from '../failure'
import { type MethodName, methodOf } from '../methods'
import { duration } from '../progress'
import { RunFolder } from '../run_folder'
import { once } from '../say'
import { checkValidation } from '../settings'
import { trainRun, withClasses } from '../train_run'
import { Clock } from './clock'
import { metricKey } from './methods'
import { type PlannedRun, runSettings } from './plan'
import type { Recipe } from './recipe'
import { type RunResult, readResult, writeResult } from './result'
import { best, type Trial } from './search'

/** What the runs of one method on one task came to. */
export interface MethodRuns {
  method: MethodName
  learningRate: number
  trials: Trial[]
  seeds: { seed: number; result: RunResult }[]
}

export interface ExperimentOptions {
  folder: string
  runs: PlannedRun[]
  /** Of each task, read when it is first needed. */
  data: (recipe: Recipe) => Promise<TaskData>
  signal: AbortSignal
  say: (line: string) => void
  quiet?: boolean
}

/** Makes the runs that are not there yet, one after another. */
export class Experiment {
  readonly #clock = new Clock()
  readonly #tokenizers = new Map<string, Tokenizer>()
  /** For what every run of a method says again. */
  readonly #once: (line: string) => void
  #done = 0

  constructor(private readonly options: ExperimentOptions) {
    this.#once = once(options.say)
  }

  /** All runs of a task. @throws Interrupted by the signal; the same call goes on then */
  async task(recipe: Recipe): Promise<MethodRuns[]> {
    const mine = this.options.runs.filter((run) => run.recipe === recipe)
    const found: MethodRuns[] = []
    for (const method of new Set(mine.map((run) => run.method))) found.push(await this.#method(mine.filter((run) => run.method === method)))
    return found
  }

  async #method(runs: PlannedRun[]): Promise<MethodRuns> {
    const key = metricKey(runs[0].recipe)
    const trials: Trial[] = []
    for (const run of runs.filter(({ kind }) => kind === 'trial')) {
      const { validation } = await this.#run(run, run.learningRate as number)
      trials.push({ learningRate: run.learningRate as number, metric: validation?.[key] ?? null, loss: validation?.evalLoss ?? null })
    }
    const seeds: MethodRuns['seeds'] = []
    const counted = runs.filter(({ kind }) => kind === 'seed')
    const learningRate = counted[0].learningRate ?? best(trials).learningRate
    for (const run of counted) seeds.push({ seed: run.number, result: await this.#run(run, learningRate) })
    return { method: runs[0].method, learningRate, trials, seeds }
  }

  async #run(planned: PlannedRun, learningRate: number): Promise<RunResult> {
    const { folder, signal, say } = this.options
    const run = new RunFolder(join(folder, planned.folder))
    const settings = { ...runSettings(planned, learningRate), output: run.folder }
    signal.throwIfAborted()
    let result = await readResult(run, settings)
    this.#done++
    if (!result) {
      say(this.#heading(planned, learningRate))
      result = await this.#train(planned, settings, run)
      say(outcomeText(planned, result))
    }
    this.#clock.add(planned, result.seconds)
    return result
  }

  async #train(planned: PlannedRun, settings: ReturnType<typeof runSettings>, run: RunFolder): Promise<RunResult> {
    const { recipe, kind } = planned
    const { signal, quiet, say } = this.options
    const start = performance.now()
    const seconds = () => (performance.now() - start) / 1000
    const data = await this.options.data(recipe)
    checkValidation(settings, data.validation !== undefined)
    if (!data.test) throw new UsageError(`${recipe.name}: there are no rows to test on: name them by settings.validation or --data`)
    try {
      const { outcome } = await trainRun({
        ...{ data, run, quiet, say: this.#once },
        settings: withClasses(settings, data),
        test: kind === 'seed' ? data.test : undefined,
        tokenizer: await this.#tokenizer(settings.model as string),
        resume: existsSync(run.path('config.json')),
        milestones: false,
        progress: say,
        interrupt: () => ({ signal, end: () => {} }),
      })
      const { steps, samplesPerSecond, parameters, device, metrics: validation, test } = outcome
      const result = { settings, validation, test, steps, seconds: seconds(), samplesPerSecond, parameters, device }
      await writeResult(run, result)
      run.removeCheckpoints()
      return result
    } catch (thrown) {
      // Too high a learning rate is what a search is there to find out.
      if (!(thrown instanceof StepError) || kind !== 'trial') throw thrown
      say(thrown.message)
      const result = { settings, validation: null, steps: 0, seconds: seconds(), samplesPerSecond: null, parameters: null, device: null }
      await writeResult(run, result)
      return result
    }
  }

  async #tokenizer(model: string): Promise<Tokenizer> {
    const tokenizer = this.#tokenizers.get(model) ?? (await AutoTokenizer.fromPretrained(model))
    this.#tokenizers.set(model, tokenizer)
    return tokenizer
  }

  #heading({ recipe, method, kind, number }: PlannedRun, learningRate: number): string {
    const { runs } = this.options
    const left = this.#clock.left(runs.slice(this.#done - 1))
    const eta = left === undefined ? '' : `, about ${duration(left)} left in all`
    return `run ${this.#done} of ${runs.length}: ${recipe.title}, ${methodOf(method).title}, ${kind} ${number}, learning rate ${learningRate}${eta}`
  }
}

function outcomeText({ recipe, kind }: PlannedRun, { validation, test, seconds }: RunResult): string {
  const value = (kind === 'seed' ? test : validation)?.[metricKey(recipe)]
  const on = kind === 'seed' ? 'test' : 'validation'
  return `  ${recipe.metric} ${value?.toFixed(4) ?? 'none'} on the ${on} rows, ${duration(seconds)}`
}
