import type { CallablePeftModel } from '../../../peft'
import { type Metrics, Trainer } from '../../../train'
import type { Event, Guess, Outcome, Point } from '../protocol'
import type { Gpu } from './gpu'
import type { Job } from './job'
import { free, guess, newModel } from './model'
import { trainingArguments } from './plan'
import { rowsOf } from './rows'

/** One run, from its start or a checkpoint to its end, told in events. */
export class Run {
  readonly #stop = new AbortController()
  #trainer: Trainer | null = null
  #held = false
  #step = 0
  #total = 0
  /** When it last began to hold. */
  #heldAt: number | null = null
  #heldMs = 0
  #evaluationSeconds = 0
  #eta: number | null = null
  #toldAt = 0
  #resumed = false

  constructor(
    readonly job: Job,
    private readonly gpu: Gpu,
    private readonly tell: (event: Event) => void,
  ) {}

  pause(): void {
    this.#held = true
    this.#trainer?.pause()
  }

  proceed(): void {
    this.#held = false
    if (this.#heldAt !== null) this.#heldMs += performance.now() - this.#heldAt
    this.#heldAt = null
    this.#trainer?.proceed()
    this.#phase('training', this.#step, this.#total)
  }

  stop(): void {
    this.#phase('saving', this.#step, this.#total)
    this.#stop.abort(new Error('the run was stopped'))
  }

  /** Of the model as it is now. */
  async guess(text: string, pair?: string): Promise<Guess> {
    const { model } = this
    if (!model) throw new Error('the model is being loaded: ask again in a moment')
    return { labels: await guess(model, this.job.base, text, pair), step: this.#step }
  }

  get step(): number {
    return this.#step
  }

  get model(): CallablePeftModel | null {
    return this.#trainer?.model ?? null
  }

  /** Trains. The model is left as it came out: the best where the run ended by itself. */
  async go(resume: boolean): Promise<{ outcome: Outcome; model: CallablePeftModel }> {
    const begun = performance.now()
    this.#resumed = resume
    this.#phase('compiling', 0, 0)
    const trainer = await this.#open()
    try {
      const ended = await this.#train(trainer, resume)
      const seconds = (performance.now() - begun - this.#heldMs) / 1000
      return { outcome: { ...outcomeOf(trainer.logHistory, ended, this.#step, this.#total), seconds }, model: trainer.model }
    } catch (thrown) {
      free(trainer.model)
      throw thrown
    } finally {
      trainer.dispose()
    }
  }

  /** Whether it came to its end; false where it was stopped. */
  async #train(trainer: Trainer, resumeFromCheckpoint: boolean): Promise<boolean> {
    const { signal } = this.#stop
    try {
      await trainer.train({ signal, resumeFromCheckpoint })
      return true
    } catch (thrown) {
      if (thrown !== signal.reason) throw thrown
      return false
    }
  }

  async #open(): Promise<Trainer> {
    const { base, splits, settings, batch, files } = this.job
    const model = async () => newModel(await this.gpu.device(), base, splits.classes, settings)
    const trainer = new Trainer({
      model: await model(),
      processingClass: base.tokenizer,
      trainDataset: splits.train,
      evalDataset: splits.validation,
      args: trainingArguments(settings, rowsOf(splits), batch),
      files,
      notice: (text) => this.tell({ event: 'notice', text }),
      reopen: model,
    })
    this.#listen(trainer)
    if (this.#held) trainer.pause()
    this.#trainer = trainer
    return trainer
  }

  #listen(trainer: Trainer): void {
    const { classes } = this.job.splits
    const { keeper } = this.job
    trainer.on('begin', ({ trained: { adapter, head, all }, step, totalSteps, memory, text }) => {
      this.#step = step
      this.#total = totalSteps
      const labels = 'id2label' in classes ? classes.id2label : []
      this.tell({ event: 'begin', trained: adapter + head, all, step, totalSteps, memory: memory.liveBytes, text, labels })
      if (this.#resumed) for (const entry of trainer.logHistory) this.#point(this.#pointOf(entry))
      this.#resumed = false // a device that is lost later finds the page with its points
      void keeper.save({ totalSteps, batch: this.job.batch, running: true, finished: false, smallerBatch: undefined })
    })
    trainer.on('step', ({ step, totalSteps }) => {
      this.#step = step
      const now = performance.now()
      if (now - this.#toldAt < 50 && step < totalSteps) return
      this.#toldAt = now
      this.#phase('training', step, totalSteps)
    })
    trainer.on('log', ({ step, epoch, loss, learningRate, samplesPerSecond, eta }) => {
      this.#eta = Number.isFinite(eta) ? eta : null
      this.#point({ step, epoch, loss, learningRate, samplesPerSecond })
    })
    trainer.on('evaluate', (metrics) => {
      this.#evaluationSeconds = metrics.evalRuntime
      this.#point(this.#pointOf(metrics))
    })
    trainer.on('progress', ({ task, done, total }) => this.#phase(task === 'evaluate' ? 'evaluating' : 'compiling', done, total))
    trainer.on('pause', ({ step, totalSteps }) => {
      this.#heldAt = performance.now()
      this.#phase('paused', step, totalSteps)
    })
    trainer.on('checkpoint', ({ step }) => {
      void keeper.save({ savedAt: Date.now() })
      this.tell({ event: 'saved', step })
    })
    trainer.on('recover', ({ error, step, from }) => this.tell({ event: 'recover', message: error.message, step, from }))
  }

  #phase(phase: Extract<Event, { event: 'phase' }>['phase'], done: number, total: number): void {
    this.tell({ event: 'phase', phase, done, total })
  }

  #point(point: Point): void {
    const { evalSteps } = this.#trainer?.args ?? {}
    const evaluations = evalSteps ? Math.floor(this.#total / evalSteps) - Math.floor(point.step / evalSteps) : 0
    const secondsLeft = this.#eta === null ? null : this.#eta + evaluations * this.#evaluationSeconds
    this.tell({ event: 'point', point, secondsLeft })
  }

  #pointOf({ step, epoch, loss, learningRate, evalLoss, evalAccuracy }: Metrics): Point {
    const perEpoch = Math.ceil(this.job.splits.train.rows.length / this.job.settings.perDeviceTrainBatchSize)
    const all = { step, epoch: epoch ?? step / perEpoch, loss, learningRate, evalLoss, evalAccuracy }
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as unknown as Point
  }
}

/** The evaluation whose adapter was restored is the best; of a run that was stopped the last one counts. */
function outcomeOf(history: readonly Metrics[], ended: boolean, step: number, total: number): Omit<Outcome, 'seconds'> {
  const evaluations = history.filter(({ evalLoss }) => evalLoss !== undefined)
  if (!ended) return { why: 'stopped', step, evalAccuracy: evaluations.at(-1)?.evalAccuracy }
  const best = evaluations.reduce<Metrics | undefined>((a, b) => (a && !(b.evalLoss < a.evalLoss) ? a : b), undefined)
  return { why: step < total ? 'early stop' : 'done', step, evalAccuracy: best?.evalAccuracy, bestStep: best?.step }
}
