import { doctorReport } from '../../../doctor'
import { OutOfMemoryError } from '../../../gpu'
import type { Files } from '../../../io'
import { lastCheckpoint } from '../../../train/run_folder'
import type { CallName, Calls, Event, Outcome, Request } from '../protocol'
import { type Base, openBase } from './base'
import { Comparison } from './comparison'
import { Gpu } from './gpu'
import { inBatchesOf, type Job, jobOf, newJob } from './job'
import { alone } from './lock'
import { loadedModel, Trained } from './model'
import { discardRun, readRecord, unfinishedRun } from './record'
import { openTable, type Table } from './rows'
import { Run } from './run'
import { removeFolder, storedItems } from './storage'
import { adapterFolder, openAdapter, zipped } from './zip'

type Answers = { [N in CallName]: (args: Calls[N]['args']) => Promise<Calls[N]['result']> }

/** What the worker holds, and who answers which call. */
export class Desk {
  readonly #gpu: Gpu
  #base: Base | null = null
  #table: Table | null = null
  #run: Run | null = null
  /** A run is on, begins or ends. */
  #busy = false
  /** The run that was stopped last. */
  #stopped: Job | null = null
  #trained: Trained | null = null
  #comparison: Comparison | null = null

  constructor(private readonly tell: (event: Event) => void) {
    this.#gpu = new Gpu((text) => tell({ event: 'notice', text }))
  }

  answer({ call, args }: Request): Promise<unknown> {
    return (this.#answers[call] as (args: unknown) => Promise<unknown>)(args)
  }

  readonly #answers: Answers = {
    open: async () => {
      const { adapterName, software, features } = await this.#gpu.device()
      return { adapter: adapterName, software, features: [...features] }
    },
    doctor: async () => {
      const { json, text } = await doctorReport(await this.#gpu.device(), { short: true })
      return { json, text }
    },
    data: async ({ source }) => {
      const table = await openTable(source, this.tell)
      this.#table = table
      return table.info
    },
    model: async ({ base: choice }) => {
      const base = await openBase(choice, this.tell)
      this.#base = base
      await this.#comparison?.dispose()
      this.#comparison = null
      return base.info
    },
    start: ({ settings }) =>
      this.#alone('start', async () => {
        if (!this.#base) throw new Error('start: choose a base model first')
        if (!this.#table) throw new Error('start: choose the rows to train on first')
        return this.#train(await newJob(this.#base, this.#table, settings, this.tell), false)
      }),
    resume: ({ perDeviceTrainBatchSize }) =>
      this.#alone('resume', async () => {
        const job = await this.#unfinished()
        return this.#train(inBatchesOf(job, perDeviceTrainBatchSize ?? job.batch), true)
      }),
    pause: async () => void this.#running('pause').pause(),
    proceed: async () => void this.#running('proceed').proceed(),
    stop: async () => void this.#running('stop').stop(),
    predict: async ({ text, textPair }) => {
      const found = await (this.#run ?? this.#trained)?.guess(text, textPair)
      if (!found) throw new Error('predict: train a model or load an adapter first')
      return found
    },
    download: () => this.#download(),
    adapter: ({ files }) =>
      this.#alone('adapter', async () => {
        if (!this.#base) throw new Error('adapter: choose its base model first')
        const adapter = await openAdapter(files)
        const model = await loadedModel(await this.#gpu.device(), this.#base, adapter)
        this.#replace(new Trained(this.#gpu, this.#base, model, await adapterFolder(model), 0))
        const { peftConfig, base } = model
        const named = peftConfig.baseModelNameOrPath
        if (named && named !== this.#base.info.name)
          this.tell({
            event: 'notice',
            text: `This adapter says that its base model is ${named}; it was loaded onto ${this.#base.info.name}.`,
          })
        return { method: peftConfig.peftType, labels: base.config.id2label }
      }),
    addCompared: async ({ files }) => {
      if (!this.#base) throw new Error('compare: choose the base model first')
      const adapter = files ? await openAdapter(files) : await this.#adapter()
      this.#comparison ??= new Comparison(this.#gpu, this.#base)
      await this.#comparison.add(adapter.name, adapter)
      return this.#comparison.list
    },
    removeCompared: async ({ name }) => {
      await this.#comparison?.remove(name)
      return this.#comparison?.list ?? []
    },
    compare: async ({ text, textPair }) => (await this.#comparison?.ask(text, textPair)) ?? [],
    unfinished: ({ left = false }) => (this.#busy ? Promise.resolve(null) : unfinishedRun(left)),
    discard: () =>
      this.#alone('discard', async () => {
        this.#stopped = null
        return void (await discardRun())
      }),
    stored: () => storedItems(),
    clear: () =>
      this.#alone('clear', async () => {
        this.#stopped = null
        if (this.#base && this.#base.choice.from !== 'embedded') this.#base = null
        return void (await removeFolder('condlora'))
      }),
  }

  #running(what: string): Run {
    if (!this.#run) throw new Error(`${what}: no run is on`)
    return this.#run
  }

  /** While nothing else of the kind is done, here or in another tab. */
  async #alone<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (this.#busy) throw new Error(`${what}: a run is on: stop it first`)
    this.#busy = true
    try {
      return await alone(work)
    } finally {
      this.#busy = false
    }
  }

  async #unfinished(): Promise<Job> {
    const record = await readRecord()
    const stopped = this.#stopped
    if (stopped && (!record || record.id === stopped.id)) return stopped
    if (!record) throw new Error('resume: there is no run to go on with')
    return jobOf(record, this.tell)
  }

  async #train(job: Job, resume: boolean): Promise<Outcome> {
    this.#replace(null)
    this.#stopped = null
    const run = new Run(job, this.#gpu, this.tell)
    this.#run = run
    try {
      const { outcome, model } = await run.go(resume)
      const stopped = outcome.why === 'stopped'
      await job.keeper.save({ running: false, finished: !stopped, savedAt: Date.now() })
      if (stopped) this.#stopped = job
      this.#replace(new Trained(this.#gpu, job.base, model, await adapterFolder(model), outcome.bestStep ?? outcome.step))
      return outcome
    } catch (thrown) {
      await this.#failed(job, thrown)
      throw thrown
    } finally {
      this.#run = null
    }
  }

  /** A run that had nothing yet is forgotten, unless a smaller batch would help it. */
  async #failed(job: Job, thrown: unknown): Promise<void> {
    const fits = thrown instanceof OutOfMemoryError ? thrown.batchSize : undefined
    const smallerBatch = fits === undefined ? undefined : Math.max(1, Math.min(fits, job.batch >> 1))
    if (smallerBatch === undefined && (await lastCheckpoint(job.files)) === undefined) return discardRun().catch(() => {})
    await job.keeper.save({ running: false, smallerBatch })
    this.#stopped = job
  }

  #replace(trained: Trained | null): void {
    this.#trained?.dispose()
    this.#trained = trained
  }

  #method(): string | undefined {
    return this.#run?.model?.peftConfig.peftType ?? this.#trained?.method
  }

  /** The adapter as it is now, named after its method and its step. */
  async #adapter(): Promise<Files> {
    const model = this.#run?.model
    const adapter = model ? await adapterFolder(model) : this.#trained?.adapter
    if (!adapter) throw new Error('train a model or load an adapter first')
    const step = (this.#run ?? this.#trained)?.step
    return { ...adapter, name: `${this.#method()?.toLowerCase()}${step ? `-step-${step}` : ''}` }
  }

  async #download(): Promise<Calls['download']['result']> {
    const adapter = await this.#adapter()
    const base = (this.#run?.job ?? this.#trained)?.base as Base
    const method = this.#method() as string
    const name = `${base.info.name.replace(/.*\//, '')}-${method.toLowerCase()}`
    return { name: `${name}.zip`, zip: await zipped(adapter, name, { base: base.info.name, method }) }
  }
}
