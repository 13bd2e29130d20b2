import { collate, type Dataset, type Encoding, type Row } from '../data'
import { bucketLength } from '../data/bucket'
import type { EncoderConfig } from '../models/config'
import { type HostInputs, hostInputs, longestRow } from '../models/inputs'
import type { TextTokenizer } from '../models/predict'
import { Random } from '../ops/philox'

/** A row of a data set, tokenised. */
export interface Example {
  encoding: Encoding
  label: number
  /** The head's input, where it was computed once for all steps. */
  features?: Float32Array
}

/** A batch on its way to the GPU. Batches of one `key` share a recording. */
export interface HostBatch {
  key: string
  size: number
  labels: number[]
  inputs: HostInputs | { features: Float32Array; batch: number }
}

/** Tokenises a data set; checks its labels against the model. `notice` hears of rows that were cut. */
export function encodeDataset(
  { rows }: Dataset,
  tokenizer: TextTokenizer,
  config: EncoderConfig,
  maxLength: number | undefined,
  notice: (text: string) => void,
): { examples: Example[]; maxLength: number } {
  if (!rows.length) throw new Error('the data set has no rows')
  const most = Math.min(maxLength ?? Number.POSITIVE_INFINITY, longestRow(config, tokenizer))
  const examples = rows.map((row, i) => encodeRow(row, i, tokenizer, config, most))
  const cut = examples.filter((e) => e.encoding.truncated).length
  if (cut) notice(`${cut} of ${rows.length} rows were truncated to ${most} tokens`)
  return { examples, maxLength: most }
}

/** Tokenises one row; `i` is its place, for messages. */
export function encodeRow(row: Row, i: number, tokenizer: TextTokenizer, config: EncoderConfig, maxLength: number): Example {
  const texts = row.pair === undefined ? row.text : ([row.text, row.pair] as const)
  return { encoding: tokenizer.encodeBatch([texts], { maxLength })[0], label: checkLabel(row, i, config) }
}

function checkLabel({ label }: Row, i: number, { numLabels, problemType }: EncoderConfig): number {
  if (problemType === 'multi_label_classification') throw new Error(`${problemType}: such a model predicts, but is not trained here yet`)
  if (label === undefined) throw new Error(`row ${i} of the data set has no label: name its column in loadDataset`)
  if (problemType !== 'regression' && !(Number.isInteger(label) && label >= 0 && label < numLabels))
    throw new Error(`row ${i} of the data set: label: wanted 0 to ${numLabels - 1} (numLabels ${numLabels}), got ${label}`)
  return label
}

/** The order of an epoch's examples: from seed and epoch alone, so that a resumed run sees the same batches. */
export function epochOrder(examples: number, seed: number, epoch: number): Uint32Array {
  return new Random(seed, 0x10000 + epoch).shuffle(Uint32Array.from({ length: examples }, (_, i) => i))
}

/** Pads examples into a batch for the model: token ids, or features where all have them. */
export function hostBatch(examples: Example[], config: EncoderConfig, padTokenId: number | undefined, maxLength: number): HostBatch {
  const size = examples.length
  const labels = examples.map((e) => e.label)
  if (examples.every((e) => e.features)) {
    const features = new Float32Array(size * config.hiddenSize)
    examples.forEach((e, i) => features.set(e.features as Float32Array, i * config.hiddenSize))
    return { key: `${size} features`, size, labels, inputs: { features, batch: size } }
  }
  const length = bucketLength(Math.max(...examples.map((e) => e.encoding.ids.length)), maxLength)
  const tokens = collate(
    examples.map((e) => e.encoding),
    { padTokenId, maxLength, padToMultipleOf: length },
  )
  return { key: `${size}×${length}`, size, labels, inputs: hostInputs(tokens, config) }
}
