// A RoBERTa small enough to train in a test: random weights from a seed, roberta-mini's tokenizer.
import { AutoTokenizer, type Dataset, type Tokenizer } from '../src/data'
import type { Device } from '../src/gpu'
import { type Files, memoryFiles } from '../src/io'
import { type NamedTensor, writeSafetensors } from '../src/io/safetensors_write'
import { AutoModelForSequenceClassification, type CallableModel } from '../src/models/auto'
import { encoderConfig } from '../src/models/config'
import { metaModel } from '../src/models/meta'
import type { ModelForSequenceClassification } from '../src/models/sequence_classification'
import { Random } from '../src/ops/philox'
import { fixture } from './harness'

export const tinyConfig = {
  model_type: 'roberta',
  vocab_size: 4096,
  hidden_size: 20,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 28,
  max_position_embeddings: 66,
  type_vocab_size: 1,
  pad_token_id: 1,
  layer_norm_eps: 1e-5,
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0,
}

/** The files of a tiny model; `changes` go into its config.json. */
export function tinyFiles(changes: Record<string, unknown> = {}): Files {
  const config = { ...tinyConfig, ...changes }
  const shapes = metaModel(encoderConfig(config, 'tiny'))
  const tensors = [...shapes.encoder.tensors].map(([name, { shape, size }], i): NamedTensor => {
    const norm = name.includes('LayerNorm.weight')
    return {
      name: `${shapes.encoder.prefix}.${name}`,
      shape,
      data: norm ? new Float32Array(size).fill(1) : new Random(7, i).normal(size, 0.2),
    }
  })
  return memoryFiles('tiny', [
    ['config.json', new TextEncoder().encode(JSON.stringify(config))],
    ['model.safetensors', writeSafetensors(tensors)],
  ])
}

export function tinyModel(device: Device, changes?: Record<string, unknown>): Promise<CallableModel<ModelForSequenceClassification>> {
  return loadTiny(tinyFiles(changes), device)
}

export function loadTiny(files: Files, device: Device): Promise<CallableModel<ModelForSequenceClassification>> {
  return AutoModelForSequenceClassification.fromPretrained(files, { device, notice: () => {} })
}

export async function miniTokenizer(): Promise<Tokenizer> {
  const names = ['tokenizer.json', 'tokenizer_config.json']
  const entries = names.map(async (n): Promise<[string, Uint8Array]> => [n, await fixture(`models/roberta-mini/${n}`)])
  return AutoTokenizer.fromPretrained(memoryFiles('roberta-mini', await Promise.all(entries)))
}

/** Texts that one word tells apart; `label` 1 = it is there. */
export function wordTask(rows: number, seed = 3): Dataset {
  const random = new Random(seed)
  const words = ['the', 'house', 'green', 'walks', 'on', 'a', 'river', 'slowly', 'again', 'we', 'see', 'many']
  const sentence = () => Array.from({ length: 3 + random.below(6) }, () => words[random.below(words.length)])
  return {
    rows: Array.from({ length: rows }, (_, i) => {
      const text = sentence()
      if (i % 2) text[random.below(text.length)] = 'money'
      return { text: text.join(' '), label: i % 2 }
    }),
    columns: { text: 'text', label: 'label' },
  }
}

/** Two rows for the tiny model, the second one padded. */
export const tinyTokens = {
  inputIds: [
    [0, 40, 41, 42, 2],
    [0, 50, 2, 1, 1],
  ],
  attentionMask: [
    [1, 1, 1, 1, 1],
    [1, 1, 1, 0, 0],
  ],
}
