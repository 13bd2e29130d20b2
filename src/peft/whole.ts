import type { Tensor } from '../graph'
import { modulesOf, namedTensors } from '../models/modules'
import type { ModelForSequenceClassification } from '../models/sequence_classification'
import type { ParameterSpec } from '../nn/parameters'
import type { ResolvedPeftConfig } from './config'
import { heads, savedModules } from './targets'

/** A tensor of the base that an adapter trains a copy of. */
export interface WholeTensor {
  /** As in the adapter file without `base_model.model.`. */
  name: string
  tensor: Tensor
}

/**
 * What an adapter trains of the base itself: all below `modulesToSave` and the classification head.
 * @throws Error where a name of `modulesToSave` ends no module's path
 */
export function wholeTensors(model: ModelForSequenceClassification, config: ResolvedPeftConfig): WholeTensor[] {
  const names = modulesOf(model).map(({ name }) => name)
  const saved = savedModules(config).flatMap((wanted) => {
    const found = names.filter((name) => name.endsWith(wanted))
    if (!found.length && !heads.includes(wanted)) throw new Error(`modulesToSave: ${JSON.stringify(wanted)} ends the path of no module`)
    return found
  })
  return [...namedTensors(model)]
    .filter(([name]) => saved.some((module) => name.startsWith(`${module}.`)))
    .map(([name, tensor]) => ({ name, tensor }))
}

/** They start as the base has them. */
export async function wholeSpecs(tensors: WholeTensor[]): Promise<ParameterSpec[]> {
  return Promise.all(tensors.map(async (each) => wholeSpec(each, await each.tensor.data())))
}

/** Weight decay spares biases and norms. */
export function wholeSpec({ name, tensor: { shape } }: WholeTensor, values = new Float32Array()): ParameterSpec {
  return { name, shape, init: () => values, ...(shape.length === 1 ? { noDecay: true } : {}) }
}
