import { AutoTokenizer } from '../data'
import { readTrainingData } from './data'
import { UsageError } from './failure'
import { type Common, type Settings, trainFlags } from './flags'
import { onInterrupt } from './interrupt'
import { readRun } from './load'
import { duration, metricsText } from './progress'
import { RunFolder } from './run_folder'
import { print, speaker } from './say'
import { checkCombinations, checkNeeds, checkValidation, merged, pick, readConfig } from './settings'
import { type Outcome, trainRun, withClasses } from './train_run'

export interface TrainOptions extends Common {
  config?: string
  resume?: string
  overwrite?: boolean
  profile?: boolean
  [key: string]: unknown
}

/** `condlora train` */
export async function train(options: TrainOptions): Promise<void> {
  const settings = await resolveSettings(options)
  const run = new RunFolder(settings.output as string)
  const resume = options.resume !== undefined
  if (!resume) run.check(options.overwrite ?? false)
  const say = speaker(options)
  const data = await readTrainingData(settings, say)
  checkValidation(settings, data.validation !== undefined)
  // Before the GPU is woken: a model that is not there is told in one line.
  const tokenizer = await AutoTokenizer.fromPretrained(settings.model as string)
  const { outcome, profile } = await trainRun({
    ...{ settings: withClasses(settings, data), data, tokenizer, run, resume, say },
    quiet: options.quiet,
    profile: options.profile,
    interrupt: () =>
      onInterrupt(
        'condlora: finishing this step and saving; Ctrl-C again stops at once',
        `condlora: stopped and saved. To go on: condlora train --resume ${run.folder}`,
      ),
  })
  if (profile && !options.json) print(`${profile}\n`)
  print(options.json ? JSON.stringify(outcome) : outcomeText(outcome))
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
  checkCombinations({ ...flags, method: flags.method ?? before.method ?? 'condlora' })
  const settings = merged(before, flags)
  if (resume !== undefined) settings.output = resume
  for (const key of ['model', 'output'] as const)
    if (settings[key] === undefined) throw new UsageError(`--${key}: is missing; see condlora train --help`)
  checkNeeds(settings, flags)
  return settings
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
