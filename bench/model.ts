// The models that are run and trained: shapes of known encoders, weights drawn from their names.
import type { Method } from './case'
import shapes from './models.json' with { type: 'json' }
import { integers, numbers } from './random'

export interface ModelShape {
  layers: number
  hidden: number
  heads: number
  ffn: number
  vocab: number
  positions: number
}

export type ModelName = keyof typeof shapes
export const models: Record<ModelName, ModelShape> = shapes

export interface Batch {
  model: ModelName
  batch: number
  length: number
}

export const adapter = { r: 8, alpha: 16, targets: ['query', 'value'] }
export const optimizer = { learningRate: 1e-4, weightDecay: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8 }
/** Training is checked after so many steps. */
export const checkedSteps = 2
export const layerNormEps = 1e-5

/** config.json as transformers has it. */
export function configJson(name: ModelName): Record<string, unknown> {
  const { layers, hidden, heads, ffn, vocab, positions } = models[name]
  return {
    model_type: 'roberta',
    vocab_size: vocab,
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    intermediate_size: ffn,
    max_position_embeddings: positions,
    type_vocab_size: 1,
    pad_token_id: 1,
    layer_norm_eps: layerNormEps,
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    num_labels: 2,
  }
}

export type Shapes = Map<string, number[]>

/** Every tensor of the base model, head included, by its checkpoint name. */
export function baseShapes(name: ModelName): Shapes {
  const { layers, hidden: h, ffn, vocab, positions } = models[name]
  const all: Shapes = new Map()
  const dense = (path: string, outputs: number, inputs: number) =>
    all.set(`${path}.weight`, [outputs, inputs]).set(`${path}.bias`, [outputs])
  const norm = (path: string) => all.set(`${path}.LayerNorm.weight`, [h]).set(`${path}.LayerNorm.bias`, [h])
  const table = (kind: string, rows: number) => all.set(`roberta.embeddings.${kind}_embeddings.weight`, [rows, h])
  table('word', vocab)
  table('position', positions)
  table('token_type', 1)
  norm('roberta.embeddings')
  for (let l = 0; l < layers; l++) {
    const at = layerPath(l)
    for (const part of ['query', 'key', 'value']) dense(`${at}.attention.self.${part}`, h, h)
    dense(`${at}.attention.output.dense`, h, h)
    norm(`${at}.attention.output`)
    dense(`${at}.intermediate.dense`, ffn, h)
    dense(`${at}.output.dense`, h, ffn)
    norm(`${at}.output`)
  }
  dense('classifier.dense', h, h)
  dense('classifier.out_proj', 2, h)
  return all
}

export const layerPath = (l: number) => `roberta.encoder.layer.${l}`

/** What a method trains, by name: head, and adapters as PEFT (LoRA) or docs/formats.md (CondLoRA) call them. */
export function trainedShapes(name: ModelName, method: Method): Shapes {
  const base = baseShapes(name)
  if (method === 'full') return base
  const { layers, hidden: h } = models[name]
  const all: Shapes = new Map()
  for (const target of adapter.targets) {
    if (method === 'condlora') for (const theta of ['A', 'B']) all.set(`conversion.attention.self.${target}.theta_${theta}`, [adapter.r, h])
    else
      for (let l = 0; l < layers; l++) {
        const path = `${layerPath(l)}.attention.self.${target}`
        all.set(`${path}.lora_A.weight`, [adapter.r, h]).set(`${path}.lora_B.weight`, [h, adapter.r])
      }
  }
  for (const [tensor, shape] of base) if (tensor.startsWith('classifier.')) all.set(tensor, shape)
  return all
}

/** A tensor's start values. B and Θb do not start at zero as they would in training: then A would have no gradient to check. */
export function startValues(name: string, shape: readonly number[]): Float32Array<ArrayBuffer> {
  const size = shape.reduce((n, d) => n * d, 1)
  if (name.includes('LayerNorm.weight')) return new Float32Array(size).fill(1)
  if (shape.length === 1 || name.includes('lora_B') || name.includes('theta_B')) return numbers(name, size, 0.02)
  return numbers(name, size, name.includes('embeddings') ? 0.05 : 1 / Math.sqrt(shape[1]))
}

export const decays = (shape: readonly number[]) => shape.length > 1

/** Token ids [batch, length] and labels [batch]. */
export function tokensOf({ model, batch, length }: Batch): { ids: Int32Array<ArrayBuffer>; labels: Int32Array<ArrayBuffer> } {
  const ids = integers('ids', batch * length, 3, models[model].vocab)
  for (let i = 0; i < batch; i++) ids[i * length] = 0
  return { ids, labels: integers('labels', batch, 0, 2) }
}

/** Multiplications and additions of one forward: the products alone. */
export function forwardFlops({ model, batch, length }: Batch): number {
  const { layers, hidden: h, ffn } = models[model]
  return layers * batch * length * (2 * (4 * h * h + 2 * h * ffn) + 4 * length * h)
}

/** A step: forward, the gradient by the activations, and with `full` that by the weights. */
export const stepFlops = (work: Batch & { method: Method }) => forwardFlops(work) * (work.method === 'full' ? 3 : 2)
