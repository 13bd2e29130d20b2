import { encoderConfig } from '../../src/models/config'
import { hostInputs, type TokenBatch } from '../../src/models/inputs'
import { assert, rng, test } from '../harness'

const sizes = {
  vocab_size: 50,
  hidden_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 1,
  intermediate_size: 8,
  max_position_embeddings: 12,
}
const roberta = encoderConfig({ ...sizes, model_type: 'roberta', type_vocab_size: 1 }, 'config.json')
const bert = encoderConfig({ ...sizes, model_type: 'bert', type_vocab_size: 2 }, 'config.json')
const ones = (n: number) => Array.from({ length: n }, () => 5)

test('RoBERTa counts real tokens from padTokenId + 1, as transformers; pads keep padTokenId, in the middle too', () => {
  const { positionIds } = hostInputs(
    {
      inputIds: [
        [0, 7, 8, 2],
        [0, 2, 1, 1],
        [0, 1, 7, 2],
        [1, 1, 1, 1],
      ],
    },
    roberta,
  )
  assert.equal([...positionIds], [2, 3, 4, 5, 2, 3, 1, 1, 2, 1, 3, 4, 1, 1, 1, 1])
})

test('another padding token moves the first position; a token 1 is then a token', () => {
  const other = encoderConfig({ ...sizes, model_type: 'roberta', type_vocab_size: 1, pad_token_id: 3 }, 'config.json')
  assert.equal([...hostInputs({ inputIds: [[0, 1, 3, 7]] }, other).positionIds], [4, 5, 3, 6])
})

test('BERT counts places from 0, pads too', () => {
  assert.equal(
    [
      ...hostInputs(
        {
          inputIds: [
            [2, 7, 0],
            [2, 3, 4],
          ],
        },
        bert,
      ).positionIds,
    ],
    [0, 1, 2, 0, 1, 2],
  )
})

test('flat arrays with a batch are the same as rows; mask and types have defaults', () => {
  const rows = hostInputs(
    {
      inputIds: [
        [2, 7, 0],
        [2, 3, 4],
      ],
    },
    bert,
  )
  const flat = hostInputs({ inputIds: Int32Array.of(2, 7, 0, 2, 3, 4), batch: 2 }, bert)
  assert.equal(flat, rows)
  assert.equal([rows.batch, rows.length], [2, 3])
  assert.equal([...rows.attentionMask], [1, 1, 1, 1, 1, 1])
  assert.equal([...rows.tokenTypeIds], [0, 0, 0, 0, 0, 0])
  const given = hostInputs({ inputIds: [[2, 7, 0]], attentionMask: [[1, 1, 0]], tokenTypeIds: [[0, 1, 0]] }, bert)
  assert.equal([...given.attentionMask, ...given.tokenTypeIds], [1, 1, 0, 0, 1, 0])
})

test('as many tokens as there are positions, and not one more', async () => {
  assert.is(Math.max(...hostInputs({ inputIds: [ones(10)] }, roberta).positionIds), 11)
  assert.is(Math.max(...hostInputs({ inputIds: [ones(12)] }, bert).positionIds), 11)
  const long = /^model: the length of a row \(truncate with maxLength\): wanted at most/
  await assert.rejects(() => hostInputs({ inputIds: [ones(11)] }, roberta), new RegExp(`${long.source} 10 tokens, got 11`))
  await assert.rejects(() => hostInputs({ inputIds: [ones(13)] }, bert), new RegExp(`${long.source} 12 tokens, got 13`))
})

test('random batches: every id that goes to the GPU lies in its table', () => {
  const random = rng()
  for (let trial = 0; trial < 200; trial++) {
    const config = trial % 2 ? roberta : bert
    const length = random.int(1, trial % 2 ? 10 : 12)
    const inputIds = Array.from({ length: random.int(1, 4) }, () => Array.from({ length }, () => random.int(0, 49)))
    const host = hostInputs({ inputIds }, config)
    assert.ok(host.positionIds.every((p) => p >= 0 && p < config.maxPositionEmbeddings))
    assert.is(host.inputIds.length, host.positionIds.length)
  }
})

const bad: [string, TokenBatch, RegExp][] = [
  [
    'an id beyond the vocabulary',
    {
      inputIds: [
        [2, 3],
        [4, 50],
      ],
    },
    /^model: inputIds, row 1, number 1: wanted 0 to 49, got 50/,
  ],
  ['a negative id', { inputIds: [[2, -100]] }, /inputIds, row 0, number 1: wanted 0 to 49, got -100/],
  [
    'an id that 32 bits would turn into another',
    { inputIds: [[2 ** 32 + 5]] },
    /inputIds, row 0, number 0: wanted a whole .*, got 4294967301/,
  ],
  ['an id with a fraction', { inputIds: [[2], [5.5]] }, /inputIds, row 1, number 0: wanted a whole number of 32 bits, got 5.5/],
  ['an id that is not a number', { inputIds: [[Number.NaN]] }, /inputIds, row 0, number 0: wanted a whole .*, got NaN/],
  [
    "a type beyond the table: RoBERTa's has one row",
    { inputIds: [[2, 3]], tokenTypeIds: [[0, 1]] },
    /tokenTypeIds, row 0, number 1: wanted 0 to 0, got 1/,
  ],
  ['a mask of other numbers', { inputIds: [[2, 3]], attentionMask: [[1, 2]] }, /attentionMask, row 0, number 1: wanted 0 to 1, got 2/],
  ['rows of several lengths', { inputIds: [[2, 3], [4]] }, /inputIds, row 1 \(pad rows to one length\): wanted 2 numbers, got 1/],
  ['no rows', { inputIds: [] }, /inputIds: wanted at least one row with one token, got 0 rows/],
  ['empty rows', { inputIds: [[], []] }, /inputIds: wanted at least one row with one token, got 2 rows/],
  ['a mask of another shape', { inputIds: [[2, 3]], attentionMask: [[1], [1]] }, /attentionMask: wanted \[1, 2\], got \[2, 1\]/],
  ['types of another length', { inputIds: [[2, 3]], tokenTypeIds: [[0]] }, /tokenTypeIds: wanted \[1, 2\], got \[1, 1\]/],
  [
    'a flat array without batch',
    { inputIds: Int32Array.of(2) },
    /batch, the rows of a flat array: wanted a whole number above 0, got undefined/,
  ],
  ['a negative batch', { inputIds: Int32Array.of(2), batch: -1 }, /batch, the rows of a flat array: wanted .*, got -1/],
  [
    'a flat array that is no multiple',
    { inputIds: Int32Array.of(2, 3, 4), batch: 2 },
    /inputIds: wanted a multiple of batch 2 numbers, got 3/,
  ],
  ['an empty flat array', { inputIds: new Int32Array(0), batch: 2 }, /inputIds: wanted a multiple of batch 2 numbers, got 0/],
]
for (const [what, tokens, message] of bad) test(`refuses ${what}`, () => assert.rejects(() => hostInputs(tokens, roberta), message))
