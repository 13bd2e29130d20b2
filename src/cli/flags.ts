import { type Command, Option } from 'commander'
import { type GlueName, glueTasks } from '../data/glue_tasks'
import type { TrainingArguments } from '../train'
import { aboveZero, bytes, flag, fromZero, type Kind, names, natural, oneOf, part, positive, rate, reader, share, text } from './kinds'
import { methodNames } from './methods'

/** One option of a command; its key is also the key in a config file. */
export interface Flag<T> {
  kind: Kind<T>
  help: string
  /** A shorter name, e.g. `--epochs`. */
  alias?: string
}

const make = <T>(kind: Kind<T>, help: string, alias?: string): Flag<T> => ({ kind, help, alias })
const rhythm = oneOf(['no', 'steps', 'epoch'])

export const dataFlags = {
  data: make(
    text('<folder or name>'),
    'folder, or data set on the hub, with train.* and validation.* (or dev.*); or with the files of --task',
  ),
  task: make(
    oneOf(Object.keys(glueTasks) as GlueName[]),
    `a task of GLUE (${Object.keys(glueTasks).join(', ')}), from --data (default: nyu-mll/glue)`,
  ),
  split: make(
    oneOf(['official', 'paper']),
    'paper: a tenth of the training rows is to evaluate on, the validation rows are for the test (default: official)',
  ),
  train: make(text('<file>'), 'rows to train on'),
  validation: make(text('<file>'), 'rows to evaluate on'),
  format: make(oneOf(['csv', 'tsv', 'jsonl', 'parquet']), "csv, tsv, jsonl or parquet (default: by the file's name)"),
  text: make(text('<column>'), 'column of the text (default: text)'),
  textPair: make(text('<column>'), 'column of a second text'),
  label: make(text('<column>'), 'column of the label (default: label)'),
  labels: make(names, 'class names in the order of their numbers (default: sorted)'),
  numLabels: make(positive, 'number of classes (default: as the data has)'),
  streaming: make(flag, 'training rows are read when needed, for files larger than memory; wants --max-steps'),
  regression: make(flag, 'labels are numbers to be predicted (default: where any has a fraction)'),
}

export const methodFlags = {
  method: make(oneOf(methodNames), `what is trained: ${methodNames.join(', ')} (default: condlora)`),
  rank: make(positive, 'rank of the adapter (default: 8)', '-r'),
  alpha: make(aboveZero, 'the adapter is scaled by alpha / rank, with rslora by alpha / √rank (default: 8)'),
  dropout: make(rate, "dropout on the adapter's input (default: 0)"),
  targetModules: make(names, 'modules to adapt (default: query,value); or all-linear'),
  conversion: make(oneOf(['code', 'rectangular']), 'condlora: how A comes from the frozen weight (default: code)'),
  dropoutPlacement: make(oneOf(['adapter', 'input']), 'condlora: where dropout acts (default: adapter)'),
  useX: make(
    oneOf(['none', 'type1', 'type2']),
    "condlora: the authors' variants in which a layer's input counts; type2 cannot be merged (default: none)",
  ),
  xScaling: make(part, 'condlora: how much it counts with --use-x, above 0, at most 1 (default: 0.5)'),
  projectionRank: make(positive, 'vera: rank of the random projections that all layers share (default: 256)'),
  nFrequency: make(positive, 'fourierft: trained numbers of each spectrum (default: 1000)'),
  scaling: make(aboveZero, 'fourierft: the factor on what comes of them (default: 150)'),
}

/** The Trainer's arguments, under its names. A new one must be listed here: the compiler asks for it. */
export const trainerFlags = {
  numTrainEpochs: make(aboveZero, 'epochs (default: 3)', '--epochs'),
  maxSteps: make(positive, 'optimizer steps in all; wins over epochs', '--steps'),
  perDeviceTrainBatchSize: make(positive, 'rows of a batch (default: 8)', '--batch-size'),
  perDeviceEvalBatchSize: make(positive, 'rows of a batch when evaluating (default: 32)', '--eval-batch-size'),
  gradientAccumulationSteps: make(positive, 'batches that make one step (default: 1)', '--accumulation'),
  gradientCheckpointing: make(flag, 'layers are run again in backward: less memory, a third more time, the same numbers'),
  groupByLength: make(flag, 'rows of like length in one step: less padding, less random an order'),
  learningRate: make(fromZero, 'largest learning rate (default: 5e-4; vera, fourierft: 5e-3; full: 2e-5)', '--lr'),
  lrSchedulerType: make(
    oneOf(['linear', 'cosine', 'constant', 'constant_with_warmup']),
    'its course: linear, cosine, constant, constant_with_warmup (default: linear)',
    '--schedule',
  ),
  warmupRatio: make(share, 'share of the steps in which it rises from 0 (default: 0)'),
  warmupSteps: make(natural, 'the same in steps; wins over the ratio'),
  weightDecay: make(fromZero, 'not applied to biases and norms (default: 0)'),
  adamBeta1: make(share, 'default: 0.9'),
  adamBeta2: make(share, 'default: 0.999'),
  adamEpsilon: make(fromZero, 'default: 1e-8'),
  maxGradNorm: make(fromZero, 'gradients are clipped to this norm; 0: never (default: 1)'),
  maxLength: make(positive, 'most tokens of a row (default: what the model allows)'),
  seed: make(natural, 'of the start values, the order of the data and dropout (default: 42)'),
  loggingSteps: make(positive, 'steps between two log lines (default: 50 lines in all, at most 10 steps apart)'),
  evalStrategy: make(rhythm, 'when to evaluate (default: epoch where there is validation data)'),
  evalSteps: make(positive, 'default: logging-steps'),
  saveStrategy: make(rhythm, 'when to write a checkpoint (default: epoch)'),
  saveSteps: make(positive, 'default: 500'),
  saveTotalLimit: make(positive, 'keep this many checkpoints, the best and the newest among them (default: all)'),
  loadBestModelAtEnd: make(flag, 'end with what was best, not with what was last'),
  metricForBestModel: make(text('<name>'), 'e.g. evalAccuracy (default: evalLoss)'),
  greaterIsBetter: make(flag, 'default: unless the metric is a loss'),
  earlyStoppingPatience: make(positive, 'stop after this many evaluations without a better one'),
  allowZeroGrad: make(flag, 'a trained tensor without a gradient is a notice, not an error'),
  tune: make(flag, 'measure at the start which kernels are fastest here (default: on GPUs); --no-tune takes the usual ones'),
  stepTimeoutMs: make(positive, 'a step that takes longer counts as a lost device (default: 600000)'),
} satisfies Record<Exclude<keyof TrainingArguments, 'outputDir' | 'kernels'>, Flag<unknown>>

export const deviceFlags = {
  adapter: make(text('<name>'), 'which GPU: a part of its name, see condlora info'),
  software: make(flag, 'the processor may compute where there is no GPU (default); --no-software refuses that'),
  memoryLimit: make(bytes, 'never hold more than this on the GPU, e.g. 2GiB'),
  experimental: make(flag, 'products by the matrix units of the GPU, where it has them and their kernels are right on it (default: no)'),
}

/** How the model lies on the device. */
export const precisionFlags = {
  fp16: make(flag, 'frozen weights and activations as half floats, for half their memory; wants a device with shader-f16'),
}

/** What a model computes on, and how. */
export const computeFlags = { ...precisionFlags, ...deviceFlags }

export const runFlags = {
  model: make(
    text('<folder or name>'),
    'a model: a folder with config.json, model.safetensors, tokenizer.json, or a name on the Hugging Face hub',
  ),
  output: make(text('<folder>'), 'the run: adapter, metrics.jsonl, config.json, report.html, checkpoints'),
}

const { perDeviceTrainBatchSize, gradientCheckpointing } = trainerFlags

/** What a step's size depends on. */
export const planFlags = {
  ...methodFlags,
  ...precisionFlags,
  numLabels: dataFlags.numLabels,
  perDeviceTrainBatchSize,
  gradientCheckpointing,
  maxLength: make(positive, 'tokens of each row (default: 128, or what the model allows)'),
}

/** Every setting of a training run, as flags and as keys of a config file. */
export const trainFlags = { ...runFlags, ...dataFlags, ...methodFlags, ...trainerFlags, ...computeFlags }

type Value<F> = F extends Flag<infer T> ? T : never
export type Values<Flags> = { -readonly [K in keyof Flags]?: Value<Flags[K]> }
export type Settings = Values<typeof trainFlags> & Pick<TrainingArguments, 'kernels'>
export type DataSettings = Values<typeof dataFlags>

export const kebab = (key: string) => `--${key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`

/** Gives a command these options, under a heading in its help. */
export function addFlags(command: Command, heading: string, flags: Record<string, Flag<unknown>>): void {
  for (const [key, { kind, help, alias }] of Object.entries(flags)) {
    const long = kebab(key)
    const flagsText = `${alias && alias !== long ? `${alias}, ` : ''}${long}${kind.placeholder ? ` ${kind.placeholder}` : ''}`
    const option = new Option(flagsText, help).helpGroup(heading)
    command.addOption(kind.placeholder ? option.argParser(reader(kind)) : option)
    if (!kind.placeholder) command.addOption(new Option(`--no-${long.slice(2)}`).hideHelp())
  }
}

/** Options of every command. */
export function addCommon(command: Command): Command {
  const heading = 'Output:'
  return command
    .addOption(new Option('--json', 'results as JSON on stdout').helpGroup(heading))
    .addOption(new Option('--quiet', 'no progress and no notices').helpGroup(heading))
    .addOption(new Option('--debug', 'stack traces with errors').helpGroup(heading))
    .addHelpOption(new Option('-h, --help', 'this help').helpGroup(heading))
}

export interface Common {
  json?: boolean
  quiet?: boolean
  debug?: boolean
}
