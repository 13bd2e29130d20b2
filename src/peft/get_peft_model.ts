import { type Files, type HubOptions, openSource } from '../io'
import { callable } from '../models/auto'
import type { EncoderConfig } from '../models/config'
import { metaModel } from '../models/meta'
import { linearsOf, modulesOf } from '../models/modules'
import type { ModelForSequenceClassification } from '../models/sequence_classification'
import type { ParameterSpec } from '../nn/parameters'
import { readAdapterConfig, readAdapterTensors } from './adapter_file'
import { CondLora } from './condlora'
import { type PeftConfig, peftConfig, type ResolvedPeftConfig } from './config'
import { headOnly } from './head_only'
import { Lora } from './lora'
import type { Method } from './method'
import { type CallablePeftModel, countParameters, type ParameterCounts, PeftModel } from './model'
import { findTargets } from './targets'

/**
 * Gives a model a new adapter to train (PEFT's get_peft_model). The base model is left as it is.
 * @param options.seed for the adapter's start values. Default 42
 * @throws TypeError on a bad configuration, Error where `targetModules` match nothing
 */
export async function getPeftModel(
  model: ModelForSequenceClassification,
  config: PeftConfig,
  options: { seed?: number } = {},
): Promise<CallablePeftModel> {
  const full = peftConfig(config)
  const method = createMethod(model, full, options.seed ?? 42)
  return finish(new PeftModel(model, full, method, [...method.parameters, ...(await headSpecs(model, full))]))
}

/** Loads an adapter (LoRA as PEFT writes it, CondLoRA, head) onto its base model (PEFT's PeftModel.from_pretrained). */
export async function loadPeftModel(
  model: ModelForSequenceClassification,
  source: string | Files,
  options: HubOptions = {},
): Promise<CallablePeftModel> {
  const files = await openSource(source, options)
  const config = await readAdapterConfig(files)
  const method = createMethod(model, config, 0)
  const specs = await readAdapterTensors(files, [...method.parameters, ...(await headSpecs(model, config))])
  return finish(new PeftModel(model, config, method, specs))
}

/** Trained and all parameters of a method on a model, from the two configurations alone: no weights, no GPU. */
export function trainableParameters(model: EncoderConfig, config: PeftConfig): ParameterCounts {
  const base = metaModel(model)
  const full = peftConfig(config)
  const head = headLayers(base, full).reduce((n, l) => n + l.weight.size + (l.bias?.size ?? 0), 0)
  const method = createMethod(base, full, 0)
  const adapter = countParameters(base, method, 0).adapter
  return countParameters(base, method, adapter + head)
}

function createMethod(model: ModelForSequenceClassification, config: ResolvedPeftConfig, seed: number): Method {
  if (config.peftType === 'HEAD') return headOnly
  const targets = findTargets(linearsOf(model), modulesOf(model), config)
  return config.peftType === 'LORA' ? new Lora(config, targets, seed) : new CondLora(config, targets, seed)
}

function headLayers(model: ModelForSequenceClassification, { modulesToSave }: ResolvedPeftConfig) {
  const known = [...model.head.modulesToSave, 'score']
  const lacking = modulesToSave?.find((name) => !known.includes(name))
  if (lacking !== undefined)
    throw new Error(`modulesToSave: ${JSON.stringify(lacking)} is not supported; wanted ${model.head.modulesToSave.join(', ')}`)
  return !modulesToSave || modulesToSave.some((name) => model.head.modulesToSave.includes(name)) ? model.head.trained : []
}

/** The head's tensors start as the base has them. */
async function headSpecs(model: ModelForSequenceClassification, config: ResolvedPeftConfig): Promise<ParameterSpec[]> {
  const specs = headLayers(model, config).map(async ({ name, weight, bias }): Promise<ParameterSpec[]> => {
    const values = await weight.data()
    const own: ParameterSpec = { name: `${name}.weight`, shape: weight.shape, init: () => values }
    if (!bias) return [own]
    const biases = await bias.data()
    return [own, { name: `${name}.bias`, shape: bias.shape, init: () => biases, noDecay: true }]
  })
  return (await Promise.all(specs)).flat()
}

function finish(model: PeftModel): CallablePeftModel {
  return callable(model, (tokens) => model.logits(tokens))
}
