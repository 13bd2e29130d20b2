import * as v from 'valibot'
import type { Tensor } from '../graph'
import { modulesOf, namedTensors } from '../models/modules'
import type { ModelForSequenceClassification } from '../models/sequence_classification'
import { common } from './config'
import type { Kind, Method, Start } from './method'
import type { ResolvedPeftConfig } from './methods'
import { heads, savedModules } from './saved_modules'

const schema = v.strictObject(common)
const none: Method = { targets: [], parameters: [], prepare: () => ({ adapters: new Map(), derived: [] }) }
const kind: Kind<typeof schema> = { schema, written: async () => ({ inference_mode: true }), create: async () => none }

/** The classification head alone. */
export const head = kind
/** BitFit (Ben Zaken et al. 2022): all biases and the head. */
export const bitfit = kind
/** Full fine-tuning: every tensor of the model. */
export const full = kind

/** A tensor of the base that an adapter trains a copy of. */
export interface WholeTensor {
  /** As in the adapter file without `base_model.model.`. */
  name: string
  tensor: Tensor
  /** PEFT counts it as one more: modulesToSave. Others it trains in place. */
  copied: boolean
}

/**
 * What an adapter trains of the base itself: all below `modulesToSave`, the classification head, and biases.
 * @param targets paths of the adapted layers
 * @throws Error where a name of `modulesToSave` ends no module's path, and where a tensor was loaded as half floats
 */
export function wholeTensors(model: ModelForSequenceClassification, config: ResolvedPeftConfig, targets: readonly string[]): WholeTensor[] {
  const names = modulesOf(model).map(({ name }) => name)
  const saved = savedModules(config).flatMap((wanted) => {
    const found = names.filter((name) => name.endsWith(wanted))
    if (!found.length && !heads.includes(wanted)) throw new Error(`modulesToSave: ${JSON.stringify(wanted)} ends the path of no module`)
    return found
  })
  const { peftType } = config
  const bias = peftType === 'BITFIT' ? 'all' : 'bias' in config ? config.bias : 'none'
  const adapted = (name: string) => targets.includes(name.replace(/\.bias$/, ''))
  const inPlace = (name: string) =>
    peftType === 'FULL' || (name.endsWith('.bias') && (bias === 'all' || (bias.endsWith('_only') && adapted(name))))
  return [...namedTensors(model)].flatMap(([name, tensor]) => {
    const copied = saved.some((module) => name.startsWith(`${module}.`))
    if (!copied && !inPlace(name)) return []
    if (tensor.dtype === 'f16')
      throw new Error(
        `${name} would be trained, but dtype "fp16" made half floats of it, which are frozen: load the model with dtype "fp32"`,
      )
    if (copied) return [{ name, tensor, copied: peftType !== 'FULL' && peftType !== 'BITFIT' }]
    // PEFT finds an adapted layer's own bias below the layer that it put around it.
    return [{ name: adapted(name) ? name.replace(/bias$/, 'base_layer.bias') : name, tensor, copied: false }]
  })
}

/** They start as the base has them. Weight decay spares biases and norms; `lrScale` is theirs. */
export function wholeStart({ name, tensor }: WholeTensor, lrScale: number): Start {
  return { name, shape: tensor.shape, init: () => tensor.data(), ...(tensor.shape.length === 1 ? { noDecay: true, lrScale } : {}) }
}
