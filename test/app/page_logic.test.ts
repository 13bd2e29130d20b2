// What the training page reckons by itself.
import type { Method, Point } from '../../src/app/train/protocol'
import { adapterNumbers, guessColumns } from '../../src/app/train/ui/defaults'
import { ago, bytes, chance, duration, percent, short } from '../../src/app/train/ui/format'
import { smoothed, withPoint } from '../../src/app/train/ui/state'
import { troubleOf } from '../../src/app/train/ui/trouble'
import { encoderConfig } from '../../src/models/config'
import { trainableParameters } from '../../src/peft'
import { assert, fixture, test } from '../harness'

test('the numbers of an adapter that the page shows are those that PEFT counts', async () => {
  const json = JSON.parse(new TextDecoder().decode(await fixture('models/roberta-mini/config.json')))
  const config = encoderConfig(json, 'config.json')
  for (const [method, peftType] of [
    ['head', 'HEAD'],
    ['lora', 'LORA'],
    ['condlora', 'CONDLORA'],
  ] as const satisfies [Method, string][])
    for (const r of [1, 8, 13]) {
      const { adapter } = await trainableParameters(config, { peftType, ...(peftType === 'HEAD' ? {} : { r }) })
      assert.is(adapterNumbers(method, r, { layers: config.numHiddenLayers, hiddenSize: config.hiddenSize }), adapter, `${method} ${r}`)
    }
})

test('columns: by name, pairs of texts, or by their look', () => {
  const guess = (columns: string[], ...rows: string[][]) =>
    guessColumns({ columns, first: rows.map((row) => Object.fromEntries(row.map((cell, i) => [columns[i], cell]))) })
  assert.equal(guess(['text', 'label']), { text: 'text', textPair: undefined, label: 'label' })
  assert.equal(guess(['id', 'Sentiment', 'Review']), { text: 'Review', textPair: undefined, label: 'Sentiment' })
  assert.equal(guess(['gold_label', 'Premise', 'Hypothesis']), { text: 'Premise', textPair: 'Hypothesis', label: 'gold_label' })
  assert.equal(guess(['question', 'sentence', 'idx', 'label']).textPair, 'sentence')
  const rows = [
    ['a long line of words', 'yes'],
    ['another one of them', 'no'],
  ]
  assert.equal(guess(['v2', 'v1'], ...rows), { text: 'v2', textPair: undefined, label: 'v1' })
  assert.equal(guess(['only']), { text: 'only', textPair: undefined, label: 'only' })
})

test('points: a loss and its evaluation are one, in the order of steps; the mean follows the last ten', () => {
  let points: readonly Point[] = []
  for (const point of [
    { step: 1, epoch: 0.1, loss: 4 },
    { step: 3, epoch: 0.3, loss: 2 },
    { step: 2, epoch: 0.2, loss: 3 },
    { step: 3, epoch: 0.3, evalLoss: 1 },
  ])
    points = withPoint(points, point)
  assert.equal(points, [
    { step: 1, epoch: 0.1, loss: 4 },
    { step: 2, epoch: 0.2, loss: 3 },
    { step: 3, epoch: 0.3, loss: 2, evalLoss: 1 },
  ])
  assert.equal(smoothed([...points, { step: 4, epoch: 0.4, evalLoss: 1 }]), [4, 3.5, 3, undefined])
  const many = Array.from({ length: 30 }, (_, i): Point => ({ step: i + 1, epoch: i, loss: i }))
  assert.is(smoothed(many)[29], 24.5)
})

test('numbers for people', () => {
  assert.equal([short(999), short(20_866), short(1_350_000), short(124_647_170)], ['999', '21 k', '1.4 M', '124.6 M'])
  assert.equal([bytes(12), bytes(5_400_000), bytes(498_000_000), bytes(1_420_000_000)], ['12 B', '5.4 MB', '498 MB', '1.4 GB'])
  assert.equal([duration(0.4), duration(83), duration(3600 * 2 + 60 * 5)], ['0 s', '1 min 23 s', '2 h 5 min'])
  assert.equal([percent(0.957), percent(0.00494), percent(1), percent(0)], ['95.7 %', '0.49 %', '100 %', '0 %'])
  assert.equal([chance(0.0001), chance(0.0999), chance(0.9999)], ['< 0.1 %', '10.0 %', '> 99.9 %'])
  assert.equal([ago(0, 20_000), ago(0, 60_000), ago(0, 3_600_000 * 3)], ['just now', '1 minute ago', '3 hours ago'])
})

test('an error says what to do: less memory, more room, the network', () => {
  const advice = (call: Parameters<typeof troubleOf>[0], message: string) => troubleOf(call, new Error(message))
  assert.match(advice('start', 'buffer of 4 GB: out of memory').advice, /smaller batches/)
  assert.match(advice('model', 'no quota left').advice, /clear stored files/)
  assert.match(advice('model', 'TypeError: Failed to fetch').advice, /goes on from there/)
  const { what, why } = advice('data', 'rows.csv, row 3: wanted 2 columns')
  assert.equal([what, why], ['This file cannot be read.', 'rows.csv, row 3: wanted 2 columns'])
})
