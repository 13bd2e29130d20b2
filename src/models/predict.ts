import type { Batch, Encoding } from '../data'
import { bucketLength } from '../data/bucket'
import { collate } from '../data/collate'
import type { Tensor } from '../graph'
import type { EncoderConfig } from './config'
import { longestRow } from './inputs'
import { type Sweep, sweep } from './sweep'

/** What predicting needs of a tokenizer. */
export interface TextTokenizer {
  readonly padTokenId: number | undefined
  readonly modelMaxLength: number
  /** Tokenises texts, or [text, pair] pairs, cut to `maxLength` tokens. */
  encodeBatch(texts: readonly (string | readonly [string, string])[], options: { maxLength?: number }): Encoding[]
}

/** A text, or a pair of them. */
export type Text = string | readonly [string, string]

/** A class with its probability; for a regression `label` is `score`'s name and `score` the number predicted. */
export interface Prediction {
  label: string
  score: number
  /** Of each class, by number. */
  scores: number[]
}

/** Hands a batch to the device; `data` are its logits [rows, numLabels]. */
export type RunBatch = (batch: Batch) => ReturnType<Sweep['run']>

export interface TextsOptions {
  config: EncoderConfig
  tokenizer: TextTokenizer
  batchSize: number
  /** Hears once of rows that are too long and were truncated. Default: console.warn */
  notice?: (text: string) => void
  /** Ends it after the batch at hand. */
  signal?: AbortSignal
}

/** A model's logits, computed at once, without a recording. */
export const eager =
  (logits: (batch: Batch) => Promise<Tensor>): RunBatch =>
  async (batch) => {
    const out = await logits(batch)
    return { data: out.data().finally(() => out.dispose()) }
  }

/** Logits [numLabels] of each text, in the order of the texts. They are run in batches of like length. */
export async function textLogits(run: RunBatch, texts: readonly Text[], options: TextsOptions): Promise<Float32Array[]> {
  const { config, tokenizer, batchSize, notice = console.warn, signal } = options
  const { padTokenId } = tokenizer
  const maxLength = longestRow(config, tokenizer)
  const out: Float32Array[] = []
  let cut = 0
  // Not all texts are tokens at once.
  const some = 16 * batchSize
  for (let at = 0; at < texts.length; at += some) {
    const encodings = tokenizer.encodeBatch(texts.slice(at, at + some), { maxLength })
    cut += encodings.filter((e) => e.truncated).length
    await sweep({
      lengths: encodings.map(({ ids }) => ids.length),
      batchSize,
      run: (places) => {
        const length = bucketLength(Math.max(...places.map((i) => encodings[i].ids.length)), maxLength)
        return run(
          collate(
            places.map((i) => encodings[i]),
            { padTokenId, maxLength, padToMultipleOf: length },
          ),
        )
      },
      use: (place, row) => {
        out[at + place] = row
      },
      signal,
    })
  }
  if (cut) notice(`${cut} of ${texts.length} texts were truncated to ${maxLength} tokens`)
  return out
}

/** The likeliest class of each text with its probability. */
export async function predictTexts(run: RunBatch, texts: readonly Text[], options: TextsOptions): Promise<Prediction[]> {
  return (await textLogits(run, texts, options)).map((row) => readPrediction(row, options.config))
}

/** A text's logits as a prediction. */
export function readPrediction(logits: Float32Array, config: EncoderConfig): Prediction {
  const scores = readScores(logits, config)
  const best = config.problemType === 'regression' ? 0 : scores.indexOf(Math.max(...scores))
  return { label: config.id2label[best], score: scores[best], scores }
}

/** A text's logits as probabilities: softmax, for classes that do not exclude each other sigmoid; a regression's are its numbers. */
export function readScores(logits: Float32Array, { problemType }: EncoderConfig): number[] {
  const z = [...logits]
  if (problemType === 'regression') return z
  if (problemType === 'multi_label_classification') return z.map((v) => 1 / (1 + Math.exp(-v)))
  const most = Math.max(...z)
  const powers = z.map((v) => Math.exp(v - most))
  const total = powers.reduce((sum, v) => sum + v, 0)
  return powers.map((v) => v / total)
}
