import { type Batch, collate, type Encoding } from '../data'
import { bucketLength } from '../data/bucket'
import type { Tensor } from '../graph'
import { type EncoderConfig, maxTokens } from './config'

/** What predicting needs of a tokenizer. */
export interface TextTokenizer {
  readonly padTokenId: number | undefined
  readonly modelMaxLength: number
  encodeBatch(texts: readonly (string | readonly [string, string])[], options: { maxLength?: number }): Encoding[]
}

/** A class with its probability; for a regression `label` is `score`'s name and `score` the number predicted. */
export interface Prediction {
  label: string
  score: number
  /** Of each class, by number. */
  scores: number[]
}

/** Most tokens of a row: what tokenizer and position table allow. */
export function longestRow(config: EncoderConfig, tokenizer: Pick<TextTokenizer, 'modelMaxLength'>): number {
  return Math.min(tokenizer.modelMaxLength, maxTokens(config))
}

/** Classifies texts in batches; rows that are too long are truncated, and `notice` hears of it once. */
export async function predictTexts(
  logits: (batch: Batch) => Promise<Tensor>,
  config: EncoderConfig,
  texts: readonly (string | readonly [string, string])[],
  tokenizer: TextTokenizer,
  batchSize: number,
  notice: (text: string) => void = console.warn,
): Promise<Prediction[]> {
  const maxLength = longestRow(config, tokenizer)
  const out: Prediction[] = []
  let cut = 0
  for (let at = 0; at < texts.length; at += batchSize) {
    const encodings = tokenizer.encodeBatch(texts.slice(at, at + batchSize), { maxLength })
    cut += encodings.filter((e) => e.truncated).length
    const length = bucketLength(Math.max(...encodings.map((e) => e.ids.length)), maxLength)
    const result = await logits(collate(encodings, { padTokenId: tokenizer.padTokenId, maxLength, padToMultipleOf: length }))
    out.push(...readPredictions(await result.data(), config))
    result.dispose()
  }
  if (cut) notice(`${cut} of ${texts.length} texts were truncated to ${maxLength} tokens`)
  return out
}

/** Logits [rows, numLabels] as predictions: softmax and the likeliest class. */
export function readPredictions(logits: Float32Array, config: EncoderConfig): Prediction[] {
  const n = config.numLabels
  return Array.from({ length: logits.length / n }, (_, row) => {
    const z = logits.subarray(row * n, (row + 1) * n)
    if (config.problemType === 'regression') return { label: config.id2label[0], score: z[0], scores: [z[0]] }
    const best = z.indexOf(Math.max(...z))
    const total = z.reduce((sum, v) => sum + Math.exp(v - z[best]), 0)
    return { label: config.id2label[best], score: 1 / total, scores: Array.from(z, (v) => Math.exp(v - z[best]) / total) }
  })
}
