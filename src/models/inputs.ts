import { complain, type Device } from '../gpu'
import { Tensor } from '../graph'
import { type TokenRuns, tokenRuns } from '../ops/embedding'
import { type EncoderConfig, firstPosition, maxTokens } from './config'

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
  /** Where each id stands: for tables that are trained. */
  runs?: Record<Looked, TokenRuns>
}

/** The ids that tables are looked up by. */
type Looked = (typeof looked)[number]
const looked = ['inputIds', 'positionIds', 'tokenTypeIds'] as const

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
  const { values: inputIds, batch, length } = flatten('inputIds', tokens.inputIds, tokens.batch)
  const like = (name: 'attentionMask' | 'tokenTypeIds', fallback: number): Int32Array => {
    const rows = tokens[name]
    if (!rows) return new Int32Array(batch * length).fill(fallback)
    const found = flatten(name, rows, batch)
    if (found.batch !== batch || found.length !== length)
      complain('model', name, `[${batch}, ${length}]`, `[${found.batch}, ${found.length}]`)
    return found.values
  }
  const attentionMask = like('attentionMask', 1)
  const tokenTypeIds = like('tokenTypeIds', 0)
  const most = maxTokens(config)
  if (length > most) complain('model', 'the length of a row (truncate with maxLength)', `at most ${most} tokens`, `${length}`)
  inTable('inputIds', inputIds, config.vocabSize, length)
  inTable('tokenTypeIds', tokenTypeIds, config.typeVocabSize, length)
  inTable('attentionMask', attentionMask, 2, length)
  return { batch, length, inputIds, positionIds: positions(inputIds, length, config), tokenTypeIds, attentionMask }
}

function positions(ids: Int32Array, length: number, config: EncoderConfig): Int32Array {
  const { modelType, padTokenId } = config
  let next = firstPosition(config)
  return ids.map((id, i) => {
    if (i % length === 0) next = firstPosition(config)
    return modelType === 'roberta' && id === padTokenId ? padTokenId : next++
  })
}

/** Most tokens of a row: what tokenizer and position table allow. */
export function longestRow(config: EncoderConfig, { modelMaxLength }: { modelMaxLength: number }): number {
  return Math.min(modelMaxLength, maxTokens(config))
}

/** Pinned tensors for batches of this shape; with `runs`, also what the gradient of a trained table needs. */
export function inputTensors(device: Device, batch: number, length: number, { runs = false } = {}): ModelInputs {
  const n = batch * length
  const make = (shape = [batch, length]) => Tensor.from(device, new Int32Array(shape[0] * shape[1]), shape, 'i32')
  const inputs: ModelInputs = { inputIds: make(), positionIds: make(), tokenTypeIds: make(), attentionMask: make() }
  const run = () => ({ runs: make([n, 3]), order: make([n, 1]) })
  return runs ? { ...inputs, runs: { inputIds: run(), positionIds: run(), tokenTypeIds: run() } } : inputs
}

export function writeInputs(to: ModelInputs, from: HostInputs): void {
  to.inputIds.write(from.inputIds)
  to.positionIds.write(from.positionIds)
  to.tokenTypeIds.write(from.tokenTypeIds)
  to.attentionMask.write(from.attentionMask)
  for (const key of to.runs ? looked : []) {
    const { runs, order } = tokenRuns(from[key])
    to.runs?.[key].runs.write(runs)
    to.runs?.[key].order.write(order)
  }
}

function flatten(name: string, rows: number[][] | Int32Array, batch?: number): { values: Int32Array; batch: number; length: number } {
  if (rows instanceof Int32Array) {
    if (batch === undefined || !Number.isInteger(batch) || batch < 1)
      complain('model', 'batch, the rows of a flat array', 'a whole number above 0', `${batch}`)
    if (!rows.length || rows.length % batch) complain('model', name, `a multiple of batch ${batch} numbers`, `${rows.length}`)
    return { values: rows, batch, length: rows.length / batch }
  }
  const length = rows[0]?.length ?? 0
  if (!length) complain('model', name, 'at least one row with one token', `${rows.length} rows`)
  const odd = rows.findIndex((row) => row.length !== length)
  if (odd >= 0) complain('model', `${name}, row ${odd} (pad rows to one length)`, `${length} numbers`, `${rows[odd].length}`)
  const values = Int32Array.from(rows.flat())
  // An Int32Array would make 3 of 3.7 and of 2³² + 3.
  rows.forEach((row, r) => {
    const bad = row.findIndex((v, i) => v !== values[r * length + i])
    if (bad >= 0) complain('model', `${name}, row ${r}, number ${bad}`, 'a whole number of 32 bits', `${row[bad]}`)
  })
  return { values, batch: rows.length, length }
}

function inTable(name: string, values: Int32Array, size: number, length: number): void {
  const bad = values.findIndex((v) => v < 0 || v >= size)
  if (bad >= 0) complain('model', `${name}, row ${Math.floor(bad / length)}, number ${bad % length}`, `0 to ${size - 1}`, `${values[bad]}`)
}
