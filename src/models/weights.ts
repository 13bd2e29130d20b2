import type { Tensor } from '../graph'
import { readChunks, type TensorEntry } from '../io'
import { Random } from '../ops/philox'
import { Digest } from './digest'
import type { ModelForSequenceClassification } from './sequence_classification'

/** Where each tensor of a model comes from, and what loading leaves out or makes up: one notice for the user. */
export interface WeightPlan {
  /** Entry of the checkpoint by the model's name for it. */
  found: Map<string, TensorEntry>
  /** Tensors of the file that this model does not have. */
  unused: string[]
  /** Tensors of the head that the file does not have: drawn anew. */
  drawn: string[]
}

export interface PlanOptions {
  /** What messages call the checkpoint. */
  file: string
  /** The caller chose the labels: an output layer of another size is drawn anew, as with ignore_mismatched_sizes. */
  newLabels?: boolean
}

/** Names as old checkpoints have them: TensorFlow's gamma and beta. */
const modern = (name: string) => name.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias')

/**
 * Finds a model's tensors in a checkpoint as transformers does: with or without the `roberta.`/`bert.` prefix,
 * gamma/beta for weight/bias. Shapes suffice: a meta model tells whether a file fits before any memory is taken.
 * @throws Error on a missing backbone tensor, a wrong shape or a type that holds no weights, with name, wanted and got
 */
export function planWeights(
  model: ModelForSequenceClassification,
  checkpoint: Map<string, TensorEntry>,
  { file, newLabels = false }: PlanOptions,
): WeightPlan {
  const { prefix } = model.encoder
  const byName = new Map<string, TensorEntry>()
  for (const [name, entry] of checkpoint) byName.set(modern(name), entry)
  const lookUp = (name: string) => byName.get(name) ?? byName.get(name.replace(`${prefix}.`, ''))
  const found = new Map<string, TensorEntry>()
  const drawn: string[] = []
  for (const [bare, tensor] of model.encoder.tensors) {
    const name = `${prefix}.${bare}`
    const entry = lookUp(name)
    if (!entry) throw new Error(`${file}: tensor ${name} [${tensor.shape}] is missing`)
    found.set(name, fitting(tensor, entry, file))
  }
  const output = model.head.trained[model.head.trained.length - 1].name
  const stored = lookUp(`${output}.weight`)
  const { hiddenSize, numLabels } = model.config
  const redraw = newLabels && stored?.shape[0] !== numLabels && stored?.shape[1] === hiddenSize
  for (const [name, tensor] of model.head.tensors) {
    const entry = redraw && name.startsWith(`${output}.`) ? undefined : lookUp(name)
    if (entry) found.set(name, fitting(tensor, entry, file))
    else drawn.push(name)
  }
  const used = new Set(found.values())
  return { found, drawn, unused: [...checkpoint].filter(([, entry]) => !used.has(entry)).map(([name]) => name) }
}

const weightTypes = ['F32', 'F16', 'BF16', 'F64']

function fitting(tensor: Tensor, entry: TensorEntry, file: string): TensorEntry {
  if (`${entry.shape}` !== `${tensor.shape}`)
    throw new Error(`${file}: tensor ${entry.name}: wanted shape [${tensor.shape}], got [${entry.shape}]`)
  if (!weightTypes.includes(entry.dtype))
    throw new Error(`${file}: tensor ${entry.name}: wanted one of ${weightTypes.join(', ')}, got ${entry.dtype}`)
  return entry
}

export interface LoadingOptions {
  /** Numbers that are in memory at once. */
  chunk?: number
  /** Sees the encoder's numbers, piece by piece, as the file has them. */
  watch?: (name: string, tensor: Tensor, values: Float32Array) => void
}

/**
 * Streams the tensors of a plan to the GPU and draws those that the file lacks: weights N(0, initializerRange) by `seed`, biases
 * zero.
 */
export async function loadWeights(
  model: ModelForSequenceClassification,
  plan: WeightPlan,
  seed: number,
  { chunk, watch }: LoadingOptions = {},
): Promise<void> {
  const { prefix, tensors } = model.encoder
  const digest = new Digest()
  const write = (tensor: Tensor, values: Float32Array) => {
    digest.add(values)
    tensor.write(values)
  }
  for (const [bare, tensor] of tensors) {
    const name = `${prefix}.${bare}`
    const seen: Write = (part, values) => {
      watch?.(name, part, values)
      write(part, values)
    }
    await load(tensor, plan.found.get(name) as TensorEntry, seen, chunk)
  }
  model.encoderDigest = digest.hex
  const { dtype } = [...plan.found.values()][0]
  model.storedType = dtype === 'F16' || dtype === 'BF16' ? dtype : 'F32'
  let stream = 0
  for (const [name, tensor] of model.head.tensors) {
    stream++ // a tensor's numbers do not depend on which others are drawn
    const entry = plan.found.get(name)
    if (entry) await load(tensor, entry, write, chunk)
    else if (name.endsWith('.bias')) write(tensor, new Float32Array(tensor.size))
    else write(tensor, new Random(seed, stream).normal(tensor.size, model.config.initializerRange))
  }
  model.digest = digest.hex
  await model.device.sync()
}

/** Sets a model's digests to what its weights are now. */
export async function renewDigests(model: ModelForSequenceClassification): Promise<void> {
  const digest = new Digest()
  for (const tensor of model.encoder.tensors.values()) digest.add(await tensor.data())
  model.encoderDigest = digest.hex
  for (const tensor of model.head.tensors.values()) digest.add(await tensor.data())
  model.digest = digest.hex
}

type Write = (tensor: Tensor, values: Float32Array) => void

async function load(tensor: Tensor, entry: TensorEntry, write: Write, chunk?: number): Promise<void> {
  for await (const { at, values } of readChunks(entry, chunk)) write(tensor.view([values.length], at), values)
}
