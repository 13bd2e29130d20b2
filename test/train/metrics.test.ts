import { encoderConfig } from '../../src/models/config'
import { computeMetrics } from '../../src/train/metrics'
import { assert, fixture, test } from '../harness'
import { tinyConfig } from '../tiny'

interface Classified {
  what: string
  classes: number
  labels: number[]
  predicted: number[]
  accuracy: number
  f1: number
  matthews: number
}

interface Regressed {
  what: string
  predicted: number[]
  labels: number[]
  mse: number
  /** null: not a number. */
  pearson: number | null
  spearman: number | null
}

const golden = JSON.parse(new TextDecoder().decode(await fixture('data/metrics.json'))) as {
  classification: Classified[]
  regression: Regressed[]
}

const config = (classes: number) =>
  encoderConfig({ ...tinyConfig, id2label: Object.fromEntries(Array.from({ length: classes }, (_, i) => [i, `c${i}`])) }, 'tiny')

/** Logits whose largest is the predicted class. */
function logits({ predicted, classes }: Classified): Float32Array {
  const z = new Float32Array(predicted.length * classes)
  predicted.forEach((p, row) => z.fill(-1, row * classes, (row + 1) * classes).fill(2, row * classes + p, row * classes + p + 1))
  return z
}

const near = (got: number, wanted: number | null, what: string) =>
  wanted === null
    ? assert.ok(Number.isNaN(got), `${what}: ${got}`)
    : assert.ok(Math.abs(got - wanted) < 1e-9, `${what}: ${got}, wanted ${wanted}`)

test("accuracy, F1 (binary and macro) and Matthews are scikit-learn's, constants included", () => {
  assert.is(golden.classification.length, 27)
  for (const c of golden.classification) {
    const got = computeMetrics(logits(c), c.labels, config(c.classes))
    for (const key of ['accuracy', 'f1', 'matthews'] as const) near(got[key], c[key], `${c.what}, ${key}`)
  }
})

test("Pearson, Spearman and the squared error are scipy's and scikit-learn's, ties and constants included", () => {
  assert.is(golden.regression.length, 14)
  for (const c of golden.regression) {
    const got = computeMetrics(Float32Array.from(c.predicted), c.labels, config(1))
    near(got.pearson, c.pearson, `${c.what}, Pearson`)
    near(got.spearman, c.spearman, `${c.what}, Spearman`)
    assert.ok(Math.abs(got.loss - c.mse) <= 1e-9 * (1 + c.mse), `${c.what}, loss: ${got.loss}, wanted ${c.mse}`)
  }
})

test('the loss is the mean cross-entropy', () => {
  const z = Float32Array.of(1, 3, 0, 0)
  const row = Math.log(Math.exp(1) + Math.exp(3)) - 1
  near(computeMetrics(z, [0, 1], config(2)).loss, (row + Math.log(2)) / 2, 'loss')
})
