import { complain, type Device } from '../gpu'
import { Tensor } from '../graph'
import type { EncoderConfig } from './config'

/** Rows of token ids as users give them: nested arrays of one length, or flat with `batch` rows. */
export interface TokenBatch {
  inputIds: number[][] | Int32Array
  /** 1 = a real token, 0 = padding. Default: all ones. */
  attentionMask?: number[][] | Int32Array
  /** Default: zeros. */
  tokenTypeIds?: number[][] | Int32Array
  /** Number of rows where the arrays are flat. */
  batch?: number
}

/** A batch on the GPU: i32 [batch, length] each. */
export interface ModelInputs {
  inputIds: Tensor
  positionIds: Tensor
  tokenTypeIds: Tensor
  attentionMask: Tensor
}

/** Checked integers of a batch, ready for upload. */
export interface HostInputs {
  batch: number
  length: number
  inputIds: Int32Array
  positionIds: Int32Array
  tokenTypeIds: Int32Array
  attentionMask: Int32Array
}

/**
 * Checks a batch against the model's tables and adds the position ids: RoBERTa counts real tokens from padTokenId + 1
 * (pads keep padTokenId), BERT counts from 0.
 * @throws TypeError on an id outside its table or more tokens than there are positions
 */
export function hostInputs(tokens: TokenBatch, config: EncoderConfig): HostInputs {
  const ids = flatten('inputIds', tokens.inputIds, tokens.batch)
  const { batch, length } = ids
  const mask = tokens.attentionMask ? flatten('attentionMask', tokens.attentionMask, batch).values : new Int32Array(batch * length).fill(1)
  const types = tokens.tokenTypeIds ? flatten('tokenTypeIds', tokens.tokenTypeIds, batch).values : new Int32Array(batch * length)
  if (mask.length !== ids.values.length) complain('model', 'attentionMask', `[${batch}, ${length}]`, `${mask.length} numbers`)
  if (types.length !== ids.values.length) complain('model', 'tokenTypeIds', `[${batch}, ${length}]`, `${types.length} numbers`)
  inTable('inputIds', ids.values, config.vocabSize)
  inTable('tokenTypeIds', types, config.typeVocabSize)
  const first = config.modelType === 'roberta' ? config.padTokenId + 1 : 0
  if (first + length > config.maxPositionEmbeddings)
    complain(
      'model',
      'the length of a row (truncate with maxLength)',
      `at most ${config.maxPositionEmbeddings - first} tokens`,
      `${length}`,
    )
  return {
    batch,
    length,
    inputIds: ids.values,
    positionIds: positions(ids.values, length, config),
    tokenTypeIds: types,
    attentionMask: mask,
  }
}

function positions(ids: Int32Array, length: number, { modelType, padTokenId }: EncoderConfig): Int32Array {
  let count = 0
  return ids.map((id, i) => {
    if (i % length === 0) count = 0
    if (modelType === 'bert') return i % length
    return id === padTokenId ? padTokenId : padTokenId + ++count
  })
}

/** Pinned tensors for batches of this shape. */
export function inputTensors(device: Device, batch: number, length: number): ModelInputs {
  const make = () => Tensor.from(device, new Int32Array(batch * length), [batch, length], 'i32')
  return { inputIds: make(), positionIds: make(), tokenTypeIds: make(), attentionMask: make() }
}

export function writeInputs(to: ModelInputs, from: HostInputs): void {
  to.inputIds.write(from.inputIds)
  to.positionIds.write(from.positionIds)
  to.tokenTypeIds.write(from.tokenTypeIds)
  to.attentionMask.write(from.attentionMask)
}

function flatten(name: string, rows: number[][] | Int32Array, batch?: number): { values: Int32Array; batch: number; length: number } {
  if (rows instanceof Int32Array) {
    if (!batch || rows.length % batch) complain('model', name, `a multiple of batch ${batch} numbers`, `${rows.length}`)
    return { values: rows, batch, length: rows.length / batch }
  }
  const length = rows[0]?.length ?? 0
  if (!length) complain('model', name, 'at least one row with one token', `${rows.length} rows`)
  const odd = rows.findIndex((row) => row.length !== length)
  if (odd >= 0) complain('model', `${name}, row ${odd} (pad rows to one length)`, `${length} numbers`, `${rows[odd].length}`)
  return { values: Int32Array.from(rows.flat()), batch: rows.length, length }
}

function inTable(name: string, values: Int32Array, size: number): void {
  const bad = values.findIndex((v) => v < 0 || v >= size)
  if (bad >= 0) complain('model', `${name}, number ${bad}`, `0 to ${size - 1}`, `${values[bad]}`)
}
