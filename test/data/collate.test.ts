import { collate, type Encoding } from '../../src/data'
import { assert, rng, test } from '../harness'

const encoding = (...ids: number[]): Encoding => ({
  ids,
  typeIds: ids.map((_, i) => i % 2),
  mask: ids.map(() => 1),
  truncated: false,
})

test('pads on the right to a multiple', () => {
  const got = collate([encoding(5, 6, 7), encoding(8)], { padTokenId: 1, padToMultipleOf: 4 })
  assert.equal([...got.inputIds], [5, 6, 7, 1, 8, 1, 1, 1])
  assert.equal([...got.attentionMask], [1, 1, 1, 0, 1, 0, 0, 0])
  assert.equal([...got.tokenTypeIds], [0, 1, 0, 0, 0, 0, 0, 0])
  assert.equal([got.batch, got.length], [2, 4])
})

test('random batches: length is the least multiple that holds the longest row, and never above maxLength', () => {
  const random = rng()
  for (let trial = 0; trial < 100; trial++) {
    const rows = Array.from({ length: random.int(1, 9) }, () =>
      encoding(...Array.from({ length: random.int(0, 40) }, () => random.int(2, 99))),
    )
    const longest = Math.max(1, ...rows.map((r) => r.ids.length))
    const maxLength = longest + random.int(0, 5)
    const { inputIds, attentionMask, length } = collate(rows, { padTokenId: 0, maxLength })
    assert.is(length, Math.min(maxLength, longest + ((8 - (longest % 8)) % 8)))
    rows.forEach(({ ids }, row) => {
      const pads = Array.from({ length: length - ids.length }, () => 0)
      assert.equal([...inputIds.subarray(row * length, (row + 1) * length)], [...ids, ...pads])
      assert.equal([...attentionMask.subarray(row * length, (row + 1) * length)], [...ids.map(() => 1), ...pads])
    })
  }
})

test('bad batches', async () => {
  await assert.rejects(() => collate([], { padTokenId: 0 }), /at least one encoding/)
  await assert.rejects(() => collate([encoding(1, 2, 3)], { padTokenId: 0, maxLength: 2 }), /a row has 3 tokens, wanted at most 2/)
  await assert.rejects(() => collate([encoding(1, 2), encoding(1)], { padTokenId: undefined }), /no padTokenId/)
  await assert.rejects(
    () => collate([encoding(1)], { padTokenId: 0, padToMultipleOf: 0 }),
    /padToMultipleOf: wanted a whole number above 0, got 0/,
  )
  assert.is(collate([encoding(1, 2)], { padTokenId: undefined, padToMultipleOf: 1 }).length, 2)
})
