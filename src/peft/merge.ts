import { noGrad, type Tensor } from '../graph'
import { linearsOf } from '../models/modules'
import type { ModelForSequenceClassification } from '../models/sequence_classification'
import { renewDigests } from '../models/weights'
import { sumRows } from '../ops/sum_rows'
import type { Adapter } from './adapter'

// The sum of one row: a weight in a stack may begin where other kernels cannot bind it.
const copied = (weight: Tensor) => sumRows('merge', weight.view([1, weight.size]), weight.size).view(weight.shape)

/** W0 + ΔW of every adapted layer, in memory of their own; `on` are the weights of adapters that were merged before. */
export function mergedWeights(
  base: ModelForSequenceClassification,
  adapters: Adapter[],
  on: ReadonlyMap<Tensor, Tensor> = new Map(),
): ReadonlyMap<Tensor, Tensor> {
  if (base.dtype !== 'fp32')
    throw new Error(`merge: the weights of ${base.nameOrPath} were rounded to half floats, and ΔW would be too: load it with dtype "fp32"`)
  const weights = new Map(on)
  const layers = new Map(linearsOf(base).map((layer) => [layer.name, layer]))
  for (const { method, parameters } of adapters)
    for (const [path, layer] of noGrad(() => method.prepare(parameters)).adapters) {
      const own = layers.get(path)?.weight as Tensor
      const merged = weights.get(own) ?? copied(method.replaced?.get(own) ?? own)
      layer.mergeInto(merged)
      weights.set(own, merged)
    }
  return weights
}

/** Writes what stands in for a model's tensors into those themselves. */
export async function writeInto(base: ModelForSequenceClassification, replaced: ReadonlyMap<Tensor, Tensor>): Promise<void> {
  for (const [own, other] of replaced) own.write(await other.data())
  await renewDigests(base)
}
