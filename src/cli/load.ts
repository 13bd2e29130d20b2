import { readdirSync } from 'node:fs'
import { AutoTokenizer, type Tokenizer } from '../data'
import type { Device } from '../gpu'
import { openFolder, readJson } from '../io'
import { AutoModelForSequenceClassification } from '../models/auto'
import type { ModelDType } from '../models/sequence_classification'
import { type CallablePeftModel, PeftModel } from '../peft'
import { adapterLabels } from '../peft/labels'
import { glueClasses } from './data'
import { UsageError } from './failure'
import type { Settings } from './flags'
import { movedHere, readConfig } from './settings'

/** What evaluate and predict are given: a run, or a model and an adapter. */
export interface Source {
  run?: string
  model?: string
  adapterFolder?: string
  labels?: string[]
  numLabels?: number
}

/** The settings and the adapter's folder of a trained run, or of the flags. */
export async function findSource(source: Source): Promise<{ settings: Settings; adapterFolder: string }> {
  const { run, model, adapterFolder, labels, numLabels } = source
  if (run !== undefined) {
    if (model !== undefined || adapterFolder !== undefined)
      throw new UsageError(`${model === undefined ? '--adapter-folder' : '--model'}: the run ${run} names its own; give one of them`)
    const settings = await readRun(run)
    return { settings: { ...settings, ...(labels ? { labels, numLabels: labels.length } : {}) }, adapterFolder: `${run}/adapter` }
  }
  if (model === undefined || adapterFolder === undefined)
    throw new UsageError(`wanted the folder of a run, or --model and --adapter-folder${(model ?? adapterFolder) ? ' both' : ''}`)
  const found = labels || numLabels !== undefined ? { id2label: labels, numLabels } : await adapterLabels(openFolder(adapterFolder))
  const settings = { model, labels: found.id2label, numLabels: found.id2label?.length ?? found.numLabels }
  return { settings, adapterFolder }
}

/** The same of a run's folder or an adapter's, on the base that it names or on `model`. */
export async function findAdapter(
  folder: string,
  { model, labels }: { model?: string; labels?: string[] },
): Promise<{ settings: Settings; adapterFolder: string }> {
  if (!folderHas(folder, 'adapter_config.json')) {
    const { settings, adapterFolder } = await findSource({ run: folder, labels })
    return { settings: { ...settings, model: model ?? settings.model }, adapterFolder }
  }
  const { base_model_name_or_path: named } = await readJson(openFolder(folder), 'adapter_config.json')
  const base = model ?? named
  if (typeof base !== 'string' || !base) throw new UsageError(`--model: is missing: ${folder}/adapter_config.json names no base model`)
  return findSource({ model: base, adapterFolder: folder, labels })
}

/** A run's own settings, its paths moved to here. */
export async function readRun(run: string): Promise<Settings> {
  if (!folderHas(run, 'config.json'))
    throw new Error(
      `${run}: this is no run of condlora train: it has no config.json; an adapter alone is given by --model and --adapter-folder`,
    )
  const { about, ...settings } = await readConfig(`${run}/config.json`)
  return movedHere(settings, about?.cwd)
}

function folderHas(folder: string, name: string): boolean {
  try {
    return readdirSync(folder).includes(name)
  } catch {
    return false
  }
}

/** Base model, adapter and tokenizer. */
export async function loadTrained(
  device: Device,
  settings: Settings,
  adapterFolder: string,
  dtype: ModelDType = 'fp32',
): Promise<{ model: CallablePeftModel; tokenizer: Tokenizer }> {
  const name = settings.model as string
  const base = await AutoModelForSequenceClassification.fromPretrained(name, {
    device,
    dtype,
    ...classChoice(settings),
    notice: () => {}, // that the base has no head is no news: the adapter brings it
  })
  return { model: await PeftModel.fromPretrained(base, adapterFolder), tokenizer: await AutoTokenizer.fromPretrained(name) }
}

export const dtypeOf = ({ fp16 }: { fp16?: boolean }): ModelDType => (fp16 ? 'fp16' : 'fp32')

export function classChoice(settings: Settings): { id2label?: string[]; numLabels?: number } {
  const { labels, numLabels } = settings.task ? glueClasses(settings.task) : settings
  return labels ? { id2label: labels } : { numLabels }
}
