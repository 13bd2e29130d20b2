import type { Encoding } from './tokenizer'

/** A batch in flat arrays of batch·length numbers, row after row. */
export interface Batch {
  inputIds: Int32Array
  /** 1 = a token, 0 = padding. */
  attentionMask: Int32Array
  tokenTypeIds: Int32Array
  batch: number
  length: number
}

export interface CollateOptions {
  padTokenId: number | undefined
  /** The length is rounded up to a multiple of this, though never above maxLength. Default 8. */
  padToMultipleOf?: number
  /** No row may be longer. Default: no limit. */
  maxLength?: number
}

/**
 * Pads encodings on the right to one length.
 * @throws Error on an empty batch, a row longer than maxLength, or padding without a padTokenId
 */
export function collate(
  encodings: readonly Encoding[],
  { padTokenId, padToMultipleOf = 8, maxLength = Number.POSITIVE_INFINITY }: CollateOptions,
): Batch {
  if (!encodings.length) throw new Error('collate: wanted at least one encoding, got none')
  const longest = encodings.reduce((most, e) => Math.max(most, e.ids.length), 1)
  if (longest > maxLength)
    throw new Error(`collate: a row has ${longest} tokens, wanted at most ${maxLength}: encode with { maxLength: ${maxLength} }`)
  if (!Number.isInteger(padToMultipleOf) || padToMultipleOf < 1)
    throw new Error(`collate: padToMultipleOf: wanted a whole number above 0, got ${padToMultipleOf}`)
  const length = Math.min(maxLength, Math.ceil(longest / padToMultipleOf) * padToMultipleOf)
  const pads = encodings.some((e) => e.ids.length < length)
  if (pads && padTokenId === undefined) throw new Error('collate: rows differ in length, but there is no padTokenId to fill them with')
  const inputIds = new Int32Array(encodings.length * length).fill(padTokenId ?? 0)
  const attentionMask = new Int32Array(inputIds.length)
  const tokenTypeIds = new Int32Array(inputIds.length)
  encodings.forEach((e, row) => {
    inputIds.set(e.ids, row * length)
    attentionMask.set(e.mask, row * length)
    tokenTypeIds.set(e.typeIds, row * length)
  })
  return { inputIds, attentionMask, tokenTypeIds, batch: encodings.length, length }
}
