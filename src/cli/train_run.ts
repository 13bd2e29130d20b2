import { createRequire } from 'node:module'
import type { Dataset, Tokenizer } from '../data'
import type { Device, KernelTime } from '../gpu'
import { isFolder } from '../io/folder.node'
import { AutoModelForSequenceClassification } from '../models/auto'
import { type CallablePeftModel, getPeftModel } from '../peft'
import { type Metrics, Trainer } from '../train'
import type { TaskData } from './data'
import { openCheckedDevice } from './device'
import type { Settings } from './flags'
import type { Interrupt } from './interrupt'
import { classChoice, dtypeOf } from './load'
import { modelCard } from './model_card'
import { StepProfile } from './profile'
import { showProgress } from './progress'
import { writeReport } from './report'
import type { RunFolder } from './run_folder'
import { type About, peftSettings, resolved, trainerSettings } from './settings'
import { version } from './version'

/** One run: what is trained, on what, and where it goes. */
export interface Job {
  /** With the classes of the data, see `withClasses`. */
  settings: Settings
  data: TaskData
  /** Rows to measure the trained model on, besides those to evaluate on. */
  test?: Dataset
  tokenizer: Tokenizer
  run: RunFolder
  /** Goes on with what is in the folder. */
  resume: boolean
  say: (line: string) => void
  /** Hears how it goes. Default: `say` */
  progress?: (line: string) => void
  quiet?: boolean
  /** Evaluations and checkpoints are told as they come. Default: true */
  milestones?: boolean
  profile?: boolean
  /** Listens for Ctrl-C while training. */
  interrupt: () => Interrupt
}

/** What came of a run. */
export interface Outcome {
  run: string
  adapter: string
  steps: number
  trainingLoss: number
  seconds: number
  samplesPerSecond: number
  parameters: { adapter: number; head: number; all: number }
  metrics: Metrics | null
  /** Of `Job.test`. */
  test?: Metrics
  device: string
  profile?: KernelTime[]
}

/** The settings with the classes that the data has, for the run's config.json; a task knows its own. */
export function withClasses(settings: Settings, { labels, numLabels }: TaskData): Settings {
  return settings.task ? settings : { ...settings, labels, numLabels }
}

/** Trains on a device of its own and writes the run's folder; `profile` is the table of kernels that was asked for. */
export async function trainRun(job: Job): Promise<{ outcome: Outcome; profile?: string }> {
  const device = await openCheckedDevice(job.settings, job.say, job)
  try {
    return await trainOn(await adaptedModel(device, job), job)
  } finally {
    device.destroy()
  }
}

async function trainOn(model: CallablePeftModel, job: Job): Promise<{ outcome: Outcome; profile?: string }> {
  const { settings, data, run, say } = job
  const trainer = new Trainer({
    model,
    processingClass: job.tokenizer,
    trainDataset: data.train,
    evalDataset: data.validation,
    args: trainerSettings(settings, 'rows' in data.train ? data.train.rows.length : 0, data.validation !== undefined),
    notice: say,
    // A device that is lost costs the steps since the last checkpoint, not the run.
    reopen: async () => adaptedModel(await openCheckedDevice(settings, say, job), job),
  })
  const profile = job.profile ? new StepProfile(trainer) : null
  const { outputDir: _, ...args } = trainer.args
  const config = { ...resolved(settings, model.peftConfig, args), about: about(model.device) }
  run.open(config, !job.resume)
  const trained = await runTrainer(trainer, job)
  const kernels = await profile?.write(run)
  const metrics = data.validation ? await lastMetrics(trainer, run) : null
  const test = job.test ? await measured(trainer, job.test, job) : undefined
  await trainer.model.savePretrained(run.path('adapter'))
  run.write(
    'adapter/README.md',
    modelCard({
      settings: config,
      base: await hubName(settings.model),
      labels: model.base.config.id2label,
      peft: model.peftConfig,
      metrics,
      steps: trained.globalStep,
    }),
  )
  const outcome: Outcome = {
    run: run.folder,
    adapter: run.path('adapter'),
    steps: trained.globalStep,
    trainingLoss: trained.trainingLoss,
    seconds: trained.trainRuntime,
    samplesPerSecond: trained.trainSamplesPerSecond,
    parameters: model.trainableParameters(),
    metrics,
    test,
    device: trainer.model.device.adapterName,
    profile: kernels,
  }
  await writeReport(run, { config, outcome })
  trainer.dispose()
  return { outcome, profile: profile?.table }
}

/** The base model with a new adapter. */
export async function adaptedModel(device: Device, { settings, say }: Pick<Job, 'settings' | 'say'>): Promise<CallablePeftModel> {
  const seed = settings.seed ?? 42
  const options = { device, dtype: dtypeOf(settings), ...classChoice(settings), seed, notice: say }
  const base = await AutoModelForSequenceClassification.fromPretrained(settings.model as string, options)
  return getPeftModel(base, peftSettings(settings), { seed })
}

/** Trains with events written down and shown, until done or Ctrl-C. */
async function runTrainer(trainer: Trainer, { run, resume, say, progress = say, quiet, milestones, interrupt: listen }: Job) {
  let begun = false
  const begin = () => {
    begun = true
  }
  const ends = [
    trainer.on('log', ({ totalSteps: _, eta: __, ...numbers }) => run.record('log', numbers)),
    trainer.on('evaluate', (numbers) => run.record('evaluate', numbers as { step: number })),
    trainer.on('begin', ({ text, kernels }) => {
      run.settle({ kernels })
      say(text)
    }),
    trainer.on('recover', ({ error, from }) => say(`${error.message} Going on from ${from}.`)),
    trainer.on('log', begin),
    trainer.on('checkpoint', begin),
    quiet ? () => {} : showProgress(trainer, progress, { milestones }),
  ]
  const interrupt = listen()
  try {
    return await trainer.train({ signal: interrupt.signal, resumeFromCheckpoint: resume })
  } catch (thrown) {
    if (!begun) run.abandon()
    throw thrown
  } finally {
    interrupt.end()
    for (const end of ends) end()
  }
}

/** Of the model as it is now. */
async function lastMetrics(trainer: Trainer, run: RunFolder): Promise<Metrics | null> {
  const { step: _, ...last } = trainer.logHistory.at(-1) ?? {}
  if ('evalLoss' in last && !trainer.args.loadBestModelAtEnd) return last
  const metrics = await trainer.evaluate()
  run.append('final', metrics)
  return metrics
}

async function measured(trainer: Trainer, rows: Dataset, { say, progress = say, quiet }: Job): Promise<Metrics> {
  const stop = quiet ? () => {} : showProgress(trainer, progress, { milestones: false })
  try {
    return await trainer.evaluate(rows)
  } finally {
    stop()
  }
}

/** The name, unless it is a folder's. */
const hubName = async (model = '') => ((await isFolder(model)) ? undefined : model)

function about(device: Device): About {
  return {
    condlora: version,
    node: process.versions.node,
    webgpu: createRequire(import.meta.url)('webgpu/package.json').version,
    adapter: device.adapterName,
    platform: `${process.platform} ${process.arch}`,
    cwd: process.cwd(),
    started: new Date().toISOString(),
  }
}
