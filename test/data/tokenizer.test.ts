import { AutoTokenizer, collate, Tokenizer } from '../../src/data'
import { memoryFiles } from '../../src/io'
import { assert, fixture, test } from '../harness'

interface Case {
  tokenizer: string
  text: string
  pair: string | null
  maxLength: number | null
  ids: number[]
  typeIds: number[]
  mask: number[]
}

const golden = JSON.parse(new TextDecoder().decode(await fixture('tokenizers/cases.json'))) as {
  cases: Case[]
  batches: { tokenizer: string; texts: string[]; ids: number[][]; mask: number[][] }[]
}

interface Hostile {
  text: string
  pair: string | null
  maxLength: number | null
  ids: number[]
  typeIds: number[]
  decoded: string
  plain: string
}

const hostile = JSON.parse(new TextDecoder().decode(await fixture('tokenizers/hostile.json'))) as Record<
  string,
  { cases: Hostile[]; newer: Hostile[] }
>

async function mini(): Promise<Tokenizer> {
  const names = ['tokenizer.json', 'tokenizer_config.json']
  const entries = await Promise.all(names.map(async (n): Promise<[string, Uint8Array]> => [n, await fixture(`models/roberta-mini/${n}`)]))
  return AutoTokenizer.fromPretrained(memoryFiles('roberta-mini', entries))
}

async function bert(): Promise<Tokenizer> {
  return AutoTokenizer.fromPretrained(memoryFiles('bert', [['tokenizer.json', await fixture('tokenizers/bert-uncased.json')]]))
}

const tokenizers: Record<string, Tokenizer> = { 'roberta-mini': await mini(), 'bert-uncased': await bert() }

/** Cases in which the tokenizer library differs from the reference library, with the reason. None is left. */
const knownDifferences: Record<string, string> = {}

test('every golden case is of one of these tokenizers: none is left out below', () => {
  assert.is(golden.cases.length, 144)
  for (const { tokenizer } of [...golden.cases, ...golden.batches]) assert.ok(tokenizer in tokenizers, tokenizer)
})

for (const name of Object.keys(tokenizers))
  test(`${name}: ids, types and masks of every golden case`, () => {
    const cases = golden.cases.filter((c) => c.tokenizer === name)
    const different: string[] = []
    for (const c of cases) {
      const got = tokenizers[name].encode(c.text, c.pair, c.maxLength ? { maxLength: c.maxLength } : {})
      const same = (['ids', 'typeIds', 'mask'] as const).every((key) => `${got[key]}` === `${c[key]}`)
      if (!same) different.push(`${name} ${JSON.stringify([c.text, c.pair, c.maxLength])}`)
    }
    assert.is(cases.length, 72)
    assert.equal(
      different,
      Object.keys(knownDifferences).filter((k) => k.startsWith(name)),
    )
  })

test('golden batches: padded to the longest row', () => {
  assert.is(golden.batches.length, 2)
  for (const { tokenizer, texts, ids, mask } of golden.batches) {
    const { padTokenId } = tokenizers[tokenizer]
    const got = collate(tokenizers[tokenizer].encodeBatch(texts), { padTokenId, padToMultipleOf: 1 })
    assert.equal([...got.inputIds], ids.flat(), tokenizer)
    assert.equal([...got.attentionMask], mask.flat(), tokenizer)
  }
})

const sameAs = (tokenizer: Tokenizer) => (c: Hostile) => {
  const got = tokenizer.encode(c.text, c.pair, c.maxLength ? { maxLength: c.maxLength } : {})
  return `${got.ids}` === `${c.ids}` && `${got.typeIds}` === `${c.typeIds}`
}

for (const name of Object.keys(tokenizers)) {
  test(`${name}: 400 odd texts and pairs, ids and types`, () => {
    const { cases } = hostile[name]
    assert.is(cases.length, 400)
    const different = cases.filter((c) => !sameAs(tokenizers[name])(c))
    assert.equal(
      different.map((c) => JSON.stringify([c.text, c.pair, c.maxLength])),
      [],
    )
  })

  test(`${name}: decoding, with special tokens and without`, () => {
    for (const { ids, decoded, plain } of hostile[name].cases) {
      assert.is(tokenizers[name].decode(ids), decoded)
      assert.is(tokenizers[name].decode(ids, { skipSpecialTokens: true }), plain)
    }
  })
}

test('the one known difference: BERT and signs newer than Unicode 8, which the reference does not know as marks or punctuation', () => {
  assert.equal(
    hostile['roberta-mini'].newer.filter((c) => !sameAs(tokenizers['roberta-mini'])(c)),
    [],
  )
  const different = hostile['bert-uncased'].newer.filter((c) => !sameAs(tokenizers['bert-uncased'])(c))
  assert.equal(
    different.map((c) => c.text),
    ['a\u1df7b', 'a\u08e2b', 'a\u2e43b', 'a\u1734b'],
  )
})

test('what the files say: padding token, longest input, size', async () => {
  const { 'roberta-mini': roberta, 'bert-uncased': wordpiece } = tokenizers
  assert.equal([roberta.padTokenId, roberta.modelMaxLength, roberta.vocabSize], [1, 128, 4096])
  assert.equal([wordpiece.padTokenId, wordpiece.modelMaxLength, wordpiece.vocabSize], [0, Number.POSITIVE_INFINITY, 30522])
  assert.is(roberta.tokenToId('<mask>'), 4)
  const map = new TextEncoder().encode('{"pad_token":{"content":"[UNK]"}}')
  const files = memoryFiles('bert', [
    ['tokenizer.json', await fixture('tokenizers/bert-uncased.json')],
    ['special_tokens_map.json', map],
  ])
  assert.is((await AutoTokenizer.fromPretrained(files)).padTokenId, 100)
})

test("truncation: stored only when asked, the model's length, left side, nothing without special tokens", async () => {
  const { 'roberta-mini': roberta, 'bert-uncased': wordpiece } = tokenizers
  const long = 'word '.repeat(300)
  assert.is(wordpiece.encode(long).ids.length, 302)
  assert.is(wordpiece.encode(long, null, { truncation: 'stored' }).ids.length, 128)
  assert.is(roberta.encode(long, null, { truncation: true }).ids.length, 128)
  assert.is(roberta.encode(long, null, { maxLength: 5, truncation: false }).truncated, false)
  assert.is(roberta.encode(long, long, { maxLength: 50 }).truncated, true)
  assert.is(roberta.encode('x', 'y', { maxLength: 50 }).truncated, false)
  assert.equal(wordpiece.encode('hello', undefined, { addSpecialTokens: false }).ids, [7592])
  const json = JSON.parse(new TextDecoder().decode(await fixture('tokenizers/bert-uncased.json')))
  const left = new Tokenizer(json, { truncation_side: 'left' }, 'left')
  assert.equal(left.encode('one two hello', null, { maxLength: 3 }).ids, [101, 7592, 102])
  assert.equal(left.encode('one', null, { maxLength: 2 }).ids, [101, 102])
  await assert.rejects(() => roberta.encode('x', 'y', { maxLength: 3 }), /maxLength 3 leaves no room for the 4 special tokens/)
  await assert.rejects(() => roberta.encode('x', null, { maxLength: 0 }), /maxLength: wanted a whole number above 0, got 0/)
  await assert.rejects(() => roberta.encode('x', null, { truncation: 'stored' }), /tokenizer\.json stores none/)
})

test('half of a surrogate pair is U+FFFD', () => {
  for (const tokenizer of Object.values(tokenizers)) assert.equal(tokenizer.encode('a\ud83d b\udc4d'), tokenizer.encode('a\ufffd b\ufffd'))
})

test('bad input: files, texts, ids', async () => {
  const from = (text: string) => AutoTokenizer.fromPretrained(memoryFiles('m', [['tokenizer.json', new TextEncoder().encode(text)]]))
  await assert.rejects(() => AutoTokenizer.fromPretrained(memoryFiles('m')), /m: there is no tokenizer\.json/)
  await assert.rejects(() => from('{}'), /m\/tokenizer\.json: this tokenizer cannot be used/)
  await assert.rejects(() => from('{"model":{"type":"Psychic"}}'), /m\/tokenizer\.json: this tokenizer cannot be used/)
  const odd = '{"model":{"type":"WordPiece","vocab":{"a":0},"unk_token":"a"},"post_processor":{"type":"Odd"}}'
  await assert.rejects(() => from(odd), /m\/tokenizer\.json: post_processor: "Odd" is not supported/)
  await assert.rejects(() => tokenizers['roberta-mini'].encode(5 as unknown as string), /encode: wanted a string, got number/)
  await assert.rejects(() => tokenizers['roberta-mini'].decode([0, 4096]), /decode: there is no token 4096 \(the vocabulary has 4096\)/)
  assert.is(tokenizers['roberta-mini'].decode([]), '')
})
