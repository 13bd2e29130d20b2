import type { EncoderConfig } from '../models/config'

/** Numbers by transformers' names in camelCase: `evalLoss`, `evalAccuracy`, … */
export type Metrics = Record<string, number>

/** Mean loss per example and the task's metrics from logits [rows, numLabels]: scikit-learn's and scipy's definitions. */
export function computeMetrics(logits: Float32Array, labels: ArrayLike<number>, config: EncoderConfig): Metrics {
  if (config.problemType === 'regression') {
    const predicted = Float64Array.from(logits)
    const wanted = Float64Array.from(labels)
    const loss = predicted.reduce((sum, p, i) => sum + (p - wanted[i]) ** 2, 0) / wanted.length
    return { loss, pearson: pearson(predicted, wanted), spearman: pearson(ranks(predicted), ranks(wanted)) }
  }
  const n = config.numLabels
  const predicted = Array.from(labels, (_, row) => argmax(logits.subarray(row * n, (row + 1) * n)))
  const loss = Array.from(labels, (label, row) => crossEntropyOf(logits.subarray(row * n, (row + 1) * n), label)).reduce((a, b) => a + b, 0)
  return {
    loss: loss / labels.length,
    accuracy: predicted.filter((p, i) => p === labels[i]).length / labels.length,
    f1: n === 2 ? f1(predicted, labels, 1) : macroF1(predicted, labels, n),
    matthews: matthews(predicted, labels, n),
  }
}

function argmax(z: Float32Array): number {
  return z.reduce((best, v, i) => (v > z[best] ? i : best), 0)
}

function crossEntropyOf(z: Float32Array, label: number): number {
  const most = Math.max(...z)
  return most + Math.log(z.reduce((sum, v) => sum + Math.exp(v - most), 0)) - z[label]
}

/** 2·TP / (predicted + actual) of one class; 0 where there is neither. */
export function f1(predicted: ArrayLike<number>, labels: ArrayLike<number>, positive: number): number {
  let both = 0
  let either = 0
  for (let i = 0; i < labels.length; i++) {
    const [p, l] = [predicted[i] === positive, labels[i] === positive]
    both += Number(p && l)
    either += Number(p) + Number(l)
  }
  return either === 0 ? 0 : (2 * both) / either
}

/** Unweighted mean over the classes that occur. */
function macroF1(predicted: ArrayLike<number>, labels: ArrayLike<number>, classes: number): number {
  const present = new Set([...Array.from(predicted), ...Array.from(labels)])
  const scores = Array.from({ length: classes }, (_, c) => c)
    .filter((c) => present.has(c))
    .map((c) => f1(predicted, labels, c))
  return scores.reduce((a, b) => a + b, 0) / Math.max(1, scores.length)
}

/** Matthews' correlation, also for several classes (Gorodkin 2004); 0 where either side is constant. */
export function matthews(predicted: ArrayLike<number>, labels: ArrayLike<number>, classes: number): number {
  const p = new Float64Array(classes)
  const t = new Float64Array(classes)
  let correct = 0
  for (let i = 0; i < labels.length; i++) {
    p[predicted[i]]++
    t[labels[i]]++
    correct += Number(predicted[i] === labels[i])
  }
  const n = labels.length
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, i) => sum + v * b[i], 0)
  const spread = Math.sqrt((n * n - dot(p, p)) * (n * n - dot(t, t)))
  return spread === 0 ? 0 : (correct * n - dot(p, t)) / spread
}

/** Pearson's correlation; NaN where either side is constant. */
export function pearson(a: Float64Array, b: Float64Array): number {
  const constant = (x: Float64Array) => x.every((v) => v === x[0])
  if (constant(a) || constant(b)) return Number.NaN // rounding would make it a number
  const mean = (x: Float64Array) => x.reduce((sum, v) => sum + v, 0) / x.length
  const [ma, mb] = [mean(a), mean(b)]
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    ab += (a[i] - ma) * (b[i] - mb)
    aa += (a[i] - ma) ** 2
    bb += (b[i] - mb) ** 2
  }
  return ab / Math.sqrt(aa * bb)
}

/** Ranks from 1; equal values share the mean of theirs. */
export function ranks(x: Float64Array): Float64Array {
  const order = Array.from(x.keys()).sort((i, j) => x[i] - x[j])
  const out = new Float64Array(x.length)
  for (let at = 0; at < order.length; ) {
    let end = at + 1
    while (end < order.length && x[order[end]] === x[order[at]]) end++
    for (let k = at; k < end; k++) out[order[k]] = (at + end + 1) / 2
    at = end
  }
  return out
}
