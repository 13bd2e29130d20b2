import type { Tensor } from '../graph'
import type { Linear } from '../nn/linear'
import type { SequenceClassifier } from './sequence_classification'

/** A module of a model by its path, as `named_modules` of PyTorch lists those that have tensors below them. */
export interface Module {
  name: string
  kind: 'linear' | 'conv1d' | 'embedding' | 'other'
}

/** Every linear layer: the encoder's, then the head's. */
export function linearsOf({ encoder, head }: SequenceClassifier): Linear[] {
  return [...encoder.linears(), ...head.linears]
}

/** Every tensor by its name in a checkpoint. */
export function namedTensors({ encoder, head }: SequenceClassifier): Map<string, Tensor> {
  const backbone = [...encoder.tensors].map(([name, tensor]): [string, Tensor] => [`${encoder.prefix}.${name}`, tensor])
  return new Map([...backbone, ...head.tensors])
}

export function modulesOf(model: SequenceClassifier): Module[] {
  const linears = new Set(linearsOf(model).map(({ name }) => name))
  const kind = (name: string) => (linears.has(name) ? 'linear' : name.endsWith('_embeddings') ? 'embedding' : 'other')
  const names = new Set<string>()
  for (const tensor of namedTensors(model).keys()) {
    const parts = tensor.split('.').slice(0, -1)
    parts.forEach((_, i) => names.add(parts.slice(0, i + 1).join('.')))
  }
  return [...names].map((name) => ({ name, kind: kind(name) }))
}
