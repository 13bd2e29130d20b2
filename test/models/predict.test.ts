import { AutoTokenizer, type Encoding } from '../../src/data'
import { memoryFiles } from '../../src/io'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { longestRow } from '../../src/models/inputs'
import { eager, predictTexts, readPrediction, type TextTokenizer } from '../../src/models/predict'
import { assert, fixture, openTestDevice, test } from '../harness'
import { goldenFiles } from './fixtures'

const load = async (folder: string) =>
  AutoModelForSequenceClassification.fromPretrained(await goldenFiles(folder), { device: await openTestDevice() })

/** One token a word, its length the id; no limit of its own. */
const words: TextTokenizer = {
  padTokenId: 1,
  modelMaxLength: Number.POSITIVE_INFINITY,
  encodeBatch: (texts, { maxLength = Number.POSITIVE_INFINITY }) =>
    texts.map((text): Encoding => {
      const all = [
        0,
        ...String(text)
          .split(' ')
          .map((w) => 4 + w.length),
      ]
      const ids = all.slice(0, maxLength)
      return { ids, typeIds: ids.map(() => 0), mask: ids.map(() => 1), truncated: ids.length < all.length }
    }),
}

test('texts longer than the position table are truncated with one notice, and never read past it', async () => {
  const model = await load('cases/roberta') // 27 positions, of which RoBERTa's rows may use 25
  assert.is(longestRow(model.config, words), 25)
  assert.is(longestRow(model.config, { modelMaxLength: 20 }), 20)
  const long = Array.from({ length: 300 }, (_, i) => 'x'.repeat(i % 9)).join(' ')
  const texts = [long, 'a short one', `${long} ${long}`, long.split(' ').slice(0, 24).join(' ')]
  const notices: string[] = []
  const lengths: number[] = []
  const run = eager((batch) => {
    lengths.push(batch.length)
    return model.logits(batch)
  })
  const notice = (text: string) => void notices.push(text)
  const got = await predictTexts(run, texts, { config: model.config, tokenizer: words, batchSize: 3, notice })
  assert.equal(notices, ['2 of 4 texts were truncated to 25 tokens'])
  assert.equal(lengths, [25, 8], 'like with like')
  assert.equal(got[0], got[2])
  assert.ok(Math.abs(got[0].score - got[3].score) < 1e-5 && got[0].label === got[3].label)
})

test("a tokenizer's own limit above the model's does not count: roberta-mini's 128 over 25", async () => {
  const model = await load('cases/roberta')
  const names = ['tokenizer.json', 'tokenizer_config.json']
  const files = await Promise.all(names.map(async (n): Promise<[string, Uint8Array]> => [n, await fixture(`models/roberta-mini/${n}`)]))
  const tokenizer = await AutoTokenizer.fromPretrained(memoryFiles('roberta-mini', files))
  assert.equal([tokenizer.modelMaxLength, longestRow(model.config, tokenizer)], [128, 25])
})

test('the model refuses what was not truncated', async () => {
  const model = await load('cases/roberta')
  await assert.rejects(() => model({ inputIds: [Array.from({ length: 26 }, () => 5)] }), /the length of a row .* at most 25 tokens, got 26/)
})

test('probabilities are the softmax of the logits; a regression gives its number', async () => {
  const { config } = await load('cases/roberta')
  const first = readPrediction(Float32Array.of(1, 2, 0), config)
  const second = readPrediction(Float32Array.of(500, 400, -500), config)
  assert.is(first.label, 'LABEL_1')
  assert.ok(Math.abs(first.score - Math.exp(2) / (Math.exp(1) + Math.exp(2) + 1)) < 1e-12)
  assert.equal(second, { label: 'LABEL_0', score: 1, scores: [1, Math.exp(-100), 0] })
  assert.is(first.scores[1], first.score)
  assert.ok(Math.abs(first.scores.reduce((a, b) => a + b) - 1) < 1e-12)
  const regression = await load('cases/roberta-regression')
  assert.equal(readPrediction(Float32Array.of(-1.5), regression.config), { label: 'LABEL_0', score: -1.5, scores: [-1.5] })
  const several = { ...config, problemType: 'multi_label_classification' as const }
  assert.equal(readPrediction(Float32Array.of(-800, 0, 800), several), { label: 'LABEL_2', score: 1, scores: [0, 0.5, 1] })
  const run = eager((batch) => regression.logits(batch))
  const one = await predictTexts(run, ['a text'], { config: regression.config, tokenizer: words, batchSize: 8 })
  const alone = await (await regression.logits({ inputIds: [[0, 5, 8]] })).data()
  assert.ok(Math.abs(one[0].score - alone[0]) < 1e-5 * Math.abs(alone[0]))
})
