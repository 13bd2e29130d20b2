import type { Tensor } from '../graph'
import { elements, readChunks, type TensorEntry } from '../io'
import { Random } from '../ops/philox'
import type { ModelForSequenceClassification } from './sequence_classification'

/** What loading left out or made up: one notice for the user. */
export interface LoadReport {
  /** Tensors of the file that this model does not have. */
  unused: string[]
  /** Tensors of the head that the file does not have: drawn anew. */
  drawn: string[]
}

/** Names as old checkpoints have them: TensorFlow's gamma and beta. */
const modern = (name: string) => name.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias')

/**
 * Streams a checkpoint into the model as transformers does: with or without the `roberta.`/`bert.` prefix, gamma/beta
 * for weight/bias; a missing tensor of the head is drawn N(0, initializerRange), biases zero, by `seed`.
 * @throws Error on a missing backbone tensor or a wrong shape, with name, wanted and got
 */
export async function loadWeights(
  model: ModelForSequenceClassification,
  checkpoint: Map<string, TensorEntry>,
  file: string,
  seed: number,
): Promise<LoadReport> {
  const { prefix } = model.encoder
  const byName = new Map<string, TensorEntry>()
  for (const [name, found] of checkpoint) byName.set(modern(name), found)
  const used = new Set<TensorEntry>()
  const drawn: string[] = []
  for (const [name, tensor] of model.encoder.tensors) {
    const found = byName.get(`${prefix}.${name}`) ?? byName.get(name)
    if (!found) throw new Error(`${file}: tensor ${prefix}.${name} [${tensor.shape}] is missing`)
    used.add(found)
    await load(tensor, found, file)
  }
  let stream = 0
  for (const [name, tensor] of model.head.tensors) {
    const found = byName.get(name) ?? byName.get(name.replace(`${prefix}.`, ''))
    stream++
    if (found && fits(tensor, found)) {
      used.add(found)
      await load(tensor, found, file)
      continue
    }
    if (found && !isOutput(name)) complainShape(tensor, found, file)
    const zero = name.endsWith('.bias')
    tensor.write(zero ? new Float32Array(tensor.size) : new Random(seed, stream).normal(tensor.size, model.config.initializerRange))
    drawn.push(name)
  }
  return { unused: [...checkpoint].filter(([, e]) => !used.has(e)).map(([name]) => name), drawn }
}

// The last layer's size is the caller's choice of numLabels: another size is drawn anew, as with ignore_mismatched_sizes.
const isOutput = (name: string) => /^classifier\.(out_proj\.)?(weight|bias)$/.test(name)

const fits = (tensor: Tensor, found: TensorEntry) => `${found.shape}` === `${tensor.shape}`

function complainShape(tensor: Tensor, found: TensorEntry, file: string): never {
  throw new Error(`${file}: tensor ${found.name}: wanted shape [${tensor.shape}], got [${found.shape}]`)
}

async function load(tensor: Tensor, found: TensorEntry, file: string): Promise<void> {
  if (!fits(tensor, found)) complainShape(tensor, found, file)
  if (elements(found) !== tensor.size) complainShape(tensor, found, file)
  for await (const { at, values } of readChunks(found)) tensor.view([values.length], at).write(values)
}
