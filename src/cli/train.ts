import { createRequire } from 'node:module'
import { AutoTokenizer, type Tokenizer } from '../data'
import type { Device, KernelTime } from '../gpu'
import { AutoModelForSequenceClassification } from '../models/auto'
import { type CallablePeftModel, getPeftModel } from '../peft'
import { type Metrics, Trainer } from '../train'
import { readTrainingData, type TaskData } from './data'
import { openCheckedDevice } from './device'
import { UsageError } from './failure'
import { type Common, type Settings, trainFlags } from './flags'
import { onInterrupt } from './interrupt'
import { classChoice, readRun } from './load'
import { StepProfile } from './profile'
import { duration, metricsText, showProgress } from './progress'
import { writeReport } from './report'
import { RunFolder } from './run_folder'
import { print, speaker } from './say'
import {
  type About,
  checkCombinations,
  checkNeeds,
  checkValidation,
  merged,
  peftSettings,
  pick,
  readConfig,
  resolved,
  trainerSettings,
} from './settings'
import { version } from './version'

export interface TrainOptions extends Common {
  config?: string
  resume?: string
  overwrite?: boolean
  profile?: boolean
  [key: string]: unknown
}

interface Outcome {
  run: string
  adapter: string
  steps: number
  trainingLoss: number
  seconds: number
  samplesPerSecond: number
  parameters: { adapter: number; head: number; all: number }
  metrics: Metrics | null
  device: string
  profile?: KernelTime[]
}

interface Job {
  settings: Settings
  data: TaskData
  run: RunFolder
  options: TrainOptions
  say: (line: string) => void
}

/** `condlora train` */
export async function train(options: TrainOptions): Promise<void> {
  const settings = await resolveSettings(options)
  const run = new RunFolder(settings.output as string)
  if (options.resume === undefined) run.check(options.overwrite ?? false)
  const say = speaker(options)
  const data = await readTrainingData(settings, say)
  checkValidation(settings, data.validation !== undefined)
  const { labels, numLabels } = data
  const job: Job = { settings: settings.task ? settings : { ...settings, labels, numLabels }, data, run, options, say }
  // Before the GPU is woken: a model that is not there is told in one line.
  const tokenizer = await AutoTokenizer.fromPretrained(settings.model as string)
  const device = await openCheckedDevice(settings, job.say, options)
  try {
    const outcome = await trainOn(await adaptedModel(device, job), tokenizer, job)
    print(options.json ? JSON.stringify(outcome) : outcomeText(outcome))
  } finally {
    device.destroy()
  }
}

/** Flags win over the file, the file over the run that is gone on with. */
async function resolveSettings(options: TrainOptions): Promise<Settings> {
  const { resume, config } = options
  const flags = pick(trainFlags, options)
  if (resume !== undefined && flags.output !== undefined)
    throw new UsageError('--output: says nothing with --resume, which goes on in its own folder')
  if (resume !== undefined && options.overwrite) throw new UsageError('--overwrite: would remove what --resume goes on with')
  const { about: _, ...file } = config === undefined ? {} : await readConfig(config)
  checkCombinations(file, (key) => `${config}: ${key}`)
  const before = merged(resume === undefined ? {} : await readRun(resume), file)
  checkCombinations({ ...flags, method: flags.method ?? before.method })
  const settings = merged(before, flags)
  if (resume !== undefined) settings.output = resume
  for (const key of ['model', 'output'] as const)
    if (settings[key] === undefined) throw new UsageError(`--${key}: is missing; see condlora train --help`)
  checkNeeds(settings)
  return settings
}

async function trainOn(model: CallablePeftModel, tokenizer: Tokenizer, job: Job): Promise<Outcome> {
  const { settings, data, run, options, say } = job
  const trainer = new Trainer({
    model,
    processingClass: tokenizer,
    trainDataset: data.train,
    evalDataset: data.validation,
    args: trainerSettings(settings, 'rows' in data.train ? data.train.rows.length : 0, data.validation !== undefined),
    notice: say,
    // A device that is lost costs the steps since the last checkpoint, not the run.
    reopen: async () => adaptedModel(await openCheckedDevice(settings, say, options), job),
  })
  const profile = options.profile ? new StepProfile(trainer) : null
  const { outputDir: _, ...args } = trainer.args
  const config = { ...resolved(settings, model.peftConfig, args), about: about(model.device) }
  run.open(config, options.resume === undefined)
  const trained = await runTrainer(trainer, job)
  const kernels = await profile?.write(run)
  const metrics = data.validation ? await lastMetrics(trainer, run) : null
  await trainer.model.savePretrained(run.path('adapter'))
  const outcome: Outcome = {
    run: run.folder,
    adapter: run.path('adapter'),
    steps: trained.globalStep,
    trainingLoss: trained.trainingLoss,
    seconds: trained.trainRuntime,
    samplesPerSecond: trained.trainSamplesPerSecond,
    parameters: model.trainableParameters(),
    metrics,
    device: trainer.model.device.adapterName,
    profile: kernels,
  }
  if (profile && !options.json) print(`${profile.table}\n`)
  await writeReport(run, { config, outcome })
  trainer.dispose()
  return outcome
}

async function adaptedModel(device: Device, { settings, say }: Job): Promise<CallablePeftModel> {
  const seed = settings.seed ?? 42
  const options = { device, ...classChoice(settings), seed, notice: say }
  const base = await AutoModelForSequenceClassification.fromPretrained(settings.model as string, options)
  return getPeftModel(base, peftSettings(settings), { seed })
}

/** Trains with events written down and shown, until done or Ctrl-C. */
async function runTrainer(trainer: Trainer, { run, options, say }: Job) {
  let begun = false
  const begin = () => {
    begun = true
  }
  const ends = [
    trainer.on('log', ({ totalSteps: _, eta: __, ...numbers }) => run.record('log', numbers)),
    trainer.on('evaluate', (numbers) => run.record('evaluate', numbers as { step: number })),
    trainer.on('begin', ({ text }) => say(text)),
    trainer.on('recover', ({ error, from }) => say(`${error.message} Going on from ${from}.`)),
    trainer.on('log', begin),
    trainer.on('checkpoint', begin),
    options.quiet ? () => {} : showProgress(trainer, say),
  ]
  const interrupt = onInterrupt(
    'condlora: finishing this step and saving; Ctrl-C again stops at once',
    `condlora: stopped and saved. To go on: condlora train --resume ${run.folder}`,
  )
  try {
    return await trainer.train({ signal: interrupt.signal, resumeFromCheckpoint: options.resume !== undefined })
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

function outcomeText({ run, adapter, steps, trainingLoss, seconds, samplesPerSecond, metrics }: Outcome): string {
  return [
    `${steps} steps, mean loss ${trainingLoss.toFixed(4)}, ${samplesPerSecond ? `${duration(seconds)} of training, ${samplesPerSecond.toFixed(1)} samples/s` : 'all done before'}`,
    ...(metrics ? [metricsText(metrics)] : []),
    `adapter  ${adapter}`,
    `report   ${run}/report.html`,
    `try it   condlora predict ${run} "some text"`,
  ].join('\n')
}
