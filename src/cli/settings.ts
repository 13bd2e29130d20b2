import { existsSync } from 'node:fs'
import { isAbsolute, relative, resolve } from 'node:path'
import * as v from 'valibot'
import { glueTasks } from '../data'
import { openFile, readJson, validate } from '../io'
import type { CallablePeftModel, PeftConfig } from '../peft'
import type { TrainingArguments } from '../train'
import { UsageError } from './failure'
import { type Flag, kebab, methodFlags, type Settings, trainerFlags, trainFlags, type Values } from './flags'
import { type MethodName, methodOf } from './methods'

/** What a run was made on; only told, never read as a setting. */
export interface About {
  condlora: string
  node: string
  webgpu: string
  adapter: string
  platform: string
  /** The folder that relative paths start from. */
  cwd: string
  started: string
}

/** What a file may hold of these flags. */
export function entriesOf(flags: Record<string, Flag<unknown>>): Record<string, v.OptionalSchema<v.GenericSchema, undefined>> {
  return Object.fromEntries(Object.entries(flags).map(([key, { kind }]) => [key, v.optional(kind.schema)]))
}

const schema = v.strictObject({
  ...entriesOf(trainFlags),
  kernels: v.optional(v.record(v.string(), v.string())),
  about: v.optional(v.looseObject({ cwd: v.optional(v.string()) })),
})

/** Reads a config file: the long flags' names in camelCase. A run's own config.json is one. */
export async function readConfig(path: string): Promise<Settings & { about?: Partial<About> }> {
  const { files, path: name } = openFile(path)
  const json = await readJson(files, name, 1 << 20)
  if ('model_type' in json) throw new UsageError(`${path}: this is a model's configuration, not a run's; a model is given by --model`)
  try {
    return validate(schema, json, path) as Settings & { about?: Partial<About> }
  } catch (thrown) {
    throw new UsageError((thrown as Error).message)
  }
}

const pathKeys = ['model', 'data', 'train', 'validation', 'output'] as const

/** Settings whose local paths start from `folder` instead of from here. */
export function movedHere<T extends Settings>(settings: T, folder = process.cwd()): T {
  const moved = { ...settings }
  for (const key of pathKeys) {
    const path = moved[key]
    if (path === undefined || isAbsolute(path)) continue
    const there = resolve(folder, path)
    // What is no path from there may be a name on the hub.
    if (existsSync(there)) moved[key] = relative('.', there) || '.'
  }
  return moved
}

/** Settings of `flags` that a command was given, without those of its own. */
export function pick<Flags extends Record<string, Flag<unknown>>>(flags: Flags, options: Record<string, unknown>): Values<Flags> {
  return Object.fromEntries(
    Object.keys(flags)
      .filter((key) => options[key] !== undefined)
      .map((key) => [key, options[key]]),
  ) as Values<Flags>
}

/** Settings without those that say nothing with the method. */
export function forMethod(s: Settings, method: MethodName): Settings {
  const { flags } = methodOf(method)
  return { ...Object.fromEntries(Object.entries(s).filter(([key]) => !(key in methodFlags) || key in flags)), method }
}

/** A file without a method may be for several: what says nothing with the one chosen is not used. */
function checkMethod(s: Settings, where: (key: string) => string): void {
  const { method } = s
  const flags = Object.keys(methodOf(method).flags)
  const strange = Object.keys(methodFlags).find((key) => key !== 'method' && s[key as keyof Settings] !== undefined && !flags.includes(key))
  if (!method || !strange) return
  throw new UsageError(
    flags.length
      ? `${where(strange)}: is no option of the method ${method}, which has ${flags.map(where).join(', ')}`
      : `${where(strange)}: says nothing with the method ${method}, which has no adapter`,
  )
}

/**
 * Refuses settings of one source (the flags, a file) that say nothing together.
 * @param where what the message puts before a key
 */
export function checkCombinations(s: Settings, where = (key: string) => kebab(key)): void {
  const bad = (key: keyof Settings, why: string): never => {
    throw new UsageError(`${where(key)}: ${why}`)
  }
  checkMethod(s, where)
  if (s.data !== undefined && (s.train !== undefined || s.validation !== undefined))
    bad('data', `is a folder that holds both; give either it or ${where('train')} and ${where('validation')}`)
  checkTask(s, where)
  if (s.regression && s.labels) bad('labels', `says nothing with ${where('regression')}, whose labels are numbers`)
  if (s.regression && (s.numLabels ?? 1) !== 1) bad('numLabels', `wanted 1 with ${where('regression')}, got ${s.numLabels}`)
  if (s.labels && (s.numLabels ?? s.labels.length) !== s.labels.length)
    bad('numLabels', `wanted ${s.labels.length}, as many as ${where('labels')} has, got ${s.numLabels}`)
  if (s.evalStrategy === 'no' && (s.loadBestModelAtEnd || s.earlyStoppingPatience !== undefined))
    bad(s.loadBestModelAtEnd ? 'loadBestModelAtEnd' : 'earlyStoppingPatience', `wants ${where('evalStrategy')} steps or epoch`)
}

const ofTask = ['train', 'validation', 'format', 'text', 'textPair', 'label', 'labels', 'numLabels', 'regression', 'streaming'] as const

/** A task of GLUE knows its columns and classes. */
function checkTask(s: Settings, where: (key: string) => string): void {
  const own = ofTask.find((key) => s[key] !== undefined)
  if (s.task && own)
    throw new UsageError(`${where(own)}: says nothing with ${where('task')} ${s.task}, which has its own; give one of them`)
}

// What is given above in place of something below: `--epochs` in place of a file's maxSteps.
const replaces: [keyof Settings, (keyof Settings)[]][] = [
  ['data', ['train', 'validation']],
  ['train', ['data']],
  ['validation', ['data']],
  ['task', [...ofTask]],
  ...ofTask.map((key): [keyof Settings, (keyof Settings)[]] => [key, ['task']]),
  ['labels', ['numLabels', 'regression']],
  ['numLabels', ['labels', 'regression']],
  ['regression', ['labels', 'numLabels']],
  ['numTrainEpochs', ['maxSteps']],
  ['warmupRatio', ['warmupSteps']],
  ['tune', ['kernels']],
]

/** Settings over those of a source below them. */
export function merged(below: Settings, above: Settings): Settings {
  const gone = replaces.filter(([key]) => above[key] !== undefined).flatMap(([, keys]) => keys)
  return { ...Object.fromEntries(Object.entries(below).filter(([key]) => !gone.includes(key as keyof Settings))), ...above }
}

/** Refuses settings that want others, wherever those come from; of the flags alone what a file of a run says by default. */
export function checkNeeds(s: Settings, flags: Settings): void {
  if (flags.xScaling !== undefined && (s.useX ?? 'none') === 'none')
    throw new UsageError('--x-scaling: says nothing without --use-x type1 or type2')
  if (s.split === 'paper' && s.streaming) throw new UsageError('--split paper: wants all rows at hand: leave --streaming out')
  if (s.streaming && s.maxSteps === undefined) throw new UsageError('--streaming: wants --max-steps, as nobody has counted the rows')
  if (s.fp16 && s.method === 'full')
    throw new UsageError('--fp16: freezes the weights as half floats, and --method full trains them: leave --fp16 out')
  if (s.streaming && s.groupByLength) throw new UsageError('--group-by-length: wants all rows at hand: leave --streaming out')
}

/** Refuses settings that evaluate where nothing is there to evaluate on. */
export function checkValidation(s: Settings, hasValidation: boolean): void {
  if (hasValidation) return
  const key = (['loadBestModelAtEnd', 'earlyStoppingPatience'] as const).find((k) => s[k])
  if (key || (s.evalStrategy ?? 'no') !== 'no')
    throw new UsageError(`${kebab(key ?? 'evalStrategy')} wants data to evaluate on: give --validation FILE`)
}

/** The adapter that the settings describe. */
export function peftSettings(s: Settings): PeftConfig {
  const { config, flags } = methodOf(s.method)
  const all = s.targetModules?.length === 1 && s.targetModules[0] === 'all-linear'
  const given = Object.entries({ ...s, ...(all ? { targetModules: 'all-linear' } : {}) })
    .filter(([key, value]) => key in flags && value !== undefined)
    .map(([key, value]) => [flags[key], value])
  return { ...config, ...(Object.fromEntries(given) as object), baseModelNameOrPath: s.model }
}

/** All settings as they came out, for the run's config.json. */
export function resolved(s: Settings, peft: CallablePeftModel['peftConfig'], trainer: object): Settings {
  const { method = 'condlora' } = s
  const rest = Object.fromEntries(Object.entries(s).filter(([key, value]) => value !== undefined && !(key in methodFlags)))
  const adapter = Object.entries(methodOf(method).flags).map(([key, name]) => [key, peft[name as keyof typeof peft]])
  const { targetModules, ...others } = Object.fromEntries(adapter)
  return {
    ...rest,
    ...(s.task ? {} : { text: s.text ?? 'text', label: s.label ?? 'label' }),
    method,
    ...others,
    ...(targetModules === undefined ? {} : { targetModules: [targetModules].flat() }),
    ...trainer,
  }
}

/** The Trainer's arguments for so many rows: those given, and this program's defaults where they are not the Trainer's. */
export function trainerSettings(s: Settings, rows: number, hasValidation: boolean): TrainingArguments {
  const { evalSteps, saveSteps } = s
  const defaults: TrainingArguments = {
    learningRate: methodOf(s.method).learningRate ?? 5e-4,
    evalStrategy: evalSteps ? 'steps' : hasValidation ? 'epoch' : 'no',
    saveStrategy: saveSteps ? 'steps' : 'epoch',
    loggingSteps: logEvery(s, rows),
    ...(s.task ? { metricForBestModel: glueTasks[s.task].metricForBestModel } : {}),
  }
  return { ...defaults, ...pick(trainerFlags, s), ...(s.kernels ? { kernels: s.kernels } : {}), outputDir: s.output }
}

/** About 50 log lines a run. */
function logEvery(s: Settings, rows: number): number {
  const perStep = (s.perDeviceTrainBatchSize ?? 8) * (s.gradientAccumulationSteps ?? 1)
  const steps = s.maxSteps ?? (s.numTrainEpochs ?? 3) * Math.ceil(rows / perStep)
  return Math.min(10, Math.max(1, Math.round(steps / 50)))
}
