import type { Device } from '../gpu'
import { bytesOf, type FloatDType, Tensor } from '../graph'
import { LayerNorm } from '../nn/layer_norm'
import { forwardAll, Linear } from '../nn/linear'
import type { Pass } from '../nn/pass'
import { weightStack } from '../nn/stack'
import { attention, selfAttention } from '../ops/attention'
import { embeddings } from '../ops/embedding'
import { feedForward } from '../ops/feed_forward'
import { gelu } from '../ops/gelu'
import { relu } from '../ops/relu'
import type { EncoderConfig } from './config'
import type { ModelInputs } from './inputs'

/**
 * The encoder of Vaswani et al. (2017) as BERT and RoBERTa build it (post-norm):
 *
 *   x  = LayerNorm(word + type + position), dropout
 *   for each layer:  x = LayerNorm(x + dropout(Wo·attention(Wq·x, Wk·x, Wv·x)))
 *                    x = LayerNorm(x + dropout(W2·gelu(W1·x)))
 */
export class Encoder {
  readonly word: Tensor
  readonly position: Tensor
  readonly type: Tensor
  readonly norm: LayerNorm
  readonly layers: EncoderLayer[]
  /** Every tensor of the backbone by its checkpoint name without the `roberta.` or `bert.` prefix. */
  readonly tensors = new Map<string, Tensor>()

  constructor(
    readonly device: Device,
    readonly config: EncoderConfig,
    /** `roberta` or `bert`: begins the module paths that adapters match. */
    readonly prefix: string,
    /** Of the frozen weights, by table or kind of layer; all else is f32. */
    dtypeOf: (group: string) => FloatDType = () => 'f32',
  ) {
    const { hiddenSize: h, intermediateSize: f, numHiddenLayers: n } = config
    const own = (name: string, shape: number[], dtype?: FloatDType) =>
      this.#own(name, new Tensor(device, device.allocatePinned(bytesOf(size(shape), dtype), name), shape, dtype))
    const table = (name: string, rows: number) => own(name, [rows, h], dtypeOf(name))
    const stack = (name: string, parts: number, shape: [number, number]) => weightStack(device, name, n, parts, shape, dtypeOf(name))
    const norm = (name: string) => new LayerNorm(own(`${name}.weight`, [h]), own(`${name}.bias`, [h]), config.layerNormEps)
    this.word = table('embeddings.word_embeddings.weight', config.vocabSize)
    this.position = table('embeddings.position_embeddings.weight', config.maxPositionEmbeddings)
    this.type = table('embeddings.token_type_embeddings.weight', config.typeVocabSize)
    this.norm = norm('embeddings.LayerNorm')
    const qkv = stack('attention.self', 3, [h, h])
    // Side by side for one product, as far as each can be bound alone too.
    const qkvBias = h % 64 ? null : weightStack(device, 'attention.self.bias', n, 3, [1, h])
    const stacks = {
      'attention.output.dense': stack('attention.output.dense', 1, [h, h]),
      'intermediate.dense': stack('intermediate.dense', 1, [f, h]),
      'output.dense': stack('output.dense', 1, [h, f]),
    }
    const linear = (name: string, weight: Tensor, stacked?: Tensor) => {
      this.#own(`${name}.weight`, weight)
      const bias = stacked ? this.#own(`${name}.bias`, stacked.view([h])) : own(`${name}.bias`, [weight.shape[0]])
      return new Linear(`${prefix}.${name}`, weight, bias)
    }
    this.layers = Array.from({ length: n }, (_, l) => {
      const path = `encoder.layer.${l}`
      const stacked = (kind: keyof typeof stacks) => linear(`${path}.${kind}`, stacks[kind][l][0])
      return new EncoderLayer(config, {
        query: linear(`${path}.attention.self.query`, qkv[l][0], qkvBias?.[l][0]),
        key: linear(`${path}.attention.self.key`, qkv[l][1], qkvBias?.[l][1]),
        value: linear(`${path}.attention.self.value`, qkv[l][2], qkvBias?.[l][2]),
        attentionOutput: stacked('attention.output.dense'),
        attentionNorm: norm(`${path}.attention.output.LayerNorm`),
        intermediate: stacked('intermediate.dense'),
        output: stacked('output.dense'),
        outputNorm: norm(`${path}.output.LayerNorm`),
      })
    })
  }

  /** Hidden states [batch, length, hidden]; with `all`, also those before the first and after each layer. */
  forward({ inputIds, positionIds, tokenTypeIds, attentionMask, runs }: ModelInputs, pass: Pass, all?: Tensor[]): Tensor {
    const sum = embeddings([
      { table: pass.of(this.word), ids: inputIds, runs: runs?.inputIds },
      { table: pass.of(this.type), ids: tokenTypeIds, runs: runs?.tokenTypeIds },
      { table: pass.of(this.position), ids: positionIds, runs: runs?.positionIds },
    ])
    let x = pass.dropout(this.norm.forward(sum, pass), this.config.hiddenDropoutProb)
    all?.push(x)
    for (const layer of this.layers) {
      x = pass.layer(x, (input) => layer.forward(input, attentionMask, pass))
      all?.push(x)
    }
    return x
  }

  /** All linear layers by module path, in the model's order: what adapters may target. */
  linears(): Linear[] {
    return this.layers.flatMap((layer) => layer.linears())
  }

  #own(name: string, tensor: Tensor): Tensor {
    this.tensors.set(name, tensor)
    return tensor
  }
}

interface LayerParts {
  query: Linear
  key: Linear
  value: Linear
  attentionOutput: Linear
  attentionNorm: LayerNorm
  intermediate: Linear
  output: Linear
  outputNorm: LayerNorm
}

class EncoderLayer {
  constructor(
    private readonly config: EncoderConfig,
    private readonly parts: LayerParts,
  ) {}

  forward(x: Tensor, mask: Tensor, pass: Pass): Tensor {
    const { query, key, value, attentionOutput, attentionNorm, outputNorm } = this.parts
    const { hiddenDropoutProb: p, attentionProbsDropoutProb, numAttentionHeads: heads } = this.config
    const [q, k, v] = forwardAll([query, key, value], x, pass)
    const options = { heads, mask, dropout: pass.nextDropout(attentionProbsDropoutProb) }
    const mixed = k ? attention(q, k, v, options) : selfAttention(q, options)
    const attended = attentionNorm.forward(x, pass, attentionOutput.forward(mixed, pass), p)
    return outputNorm.forward(attended, pass, this.#feedForward(attended, pass), p)
  }

  linears(): Linear[] {
    const { query, key, value, attentionOutput, intermediate, output } = this.parts
    return [query, key, value, attentionOutput, intermediate, output]
  }

  /** W2·gelu(W1·x) */
  #feedForward(x: Tensor, pass: Pass): Tensor {
    const { intermediate, output } = this.parts
    const { hiddenAct } = this.config
    const approximate = hiddenAct === 'gelu' ? 'none' : 'tanh'
    const [up, down] = [intermediate.plain(pass), output.plain(pass)]
    if (hiddenAct !== 'relu' && up && down) return feedForward(x, up, down, { approximate })
    const wide = intermediate.forward(x, pass)
    return output.forward(hiddenAct === 'relu' ? relu(wide) : gelu(wide, { approximate }), pass)
  }
}

const size = (shape: number[]) => shape.reduce((n, d) => n * d, 1)
