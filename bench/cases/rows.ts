import { type Case, distance, type WorkOf } from '../case'
import { layerNormEps } from '../model'
import { numbers } from '../random'

type Rows = WorkOf<'softmax' | 'layernorm' | 'gelu'>

export const rowInputs = ({ rows, columns }: Rows) => ({
  x: numbers('x', rows * columns, 2),
  gamma: numbers('gamma', columns),
  beta: numbers('beta', columns),
})

function reference(work: Rows): Float64Array {
  const { x, gamma, beta } = rowInputs(work)
  const y = Float64Array.from(x)
  if (work.kind === 'gelu') return y.map((v) => 0.5 * v * (1 + erf(v / Math.SQRT2)))
  for (let r = 0; r < work.rows; r++) {
    const row = y.subarray(r * work.columns, (r + 1) * work.columns)
    if (work.kind === 'softmax') softmaxRow(row)
    else {
      const mean = row.reduce((s, v) => s + v, 0) / row.length
      const variance = row.reduce((s, v) => s + (v - mean) ** 2, 0) / row.length
      row.forEach((v, i) => (row[i] = ((v - mean) / Math.sqrt(variance + layerNormEps)) * gamma[i] + beta[i]))
    }
  }
  return y
}

export function softmaxRow(row: Float64Array): void {
  const most = row.reduce((m, v) => Math.max(m, v), Number.NEGATIVE_INFINITY)
  row.forEach((v, i) => (row[i] = Math.exp(v - most)))
  const sum = row.reduce((s, v) => s + v, 0)
  row.forEach((v, i) => (row[i] = v / sum))
}

/** Its power series, summed until it stands still: float64 for |x| < 5. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x)
  let [term, sum] = [x, x]
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (-x * x) / n
    sum += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}

function rowCase(kind: Rows['kind'], rows: number, columns: number): Case<Rows> {
  const work: Rows = { kind, rows, columns }
  return {
    group: 'pointwise and rows',
    name: `${kind} ${rows}×${columns}`,
    unit: 'GB/s',
    better: 'higher',
    work,
    // Read once and written once: the least there is.
    amount: (8 * rows * columns) / 1e9,
    flops: 10 * rows * columns,
    error: ([y]) => distance(y, reference(work)),
    limit: 1e-4,
  }
}

export const rowCases = [
  rowCase('softmax', 1536, 128),
  rowCase('layernorm', 512, 384),
  rowCase('gelu', 512, 1536),
  rowCase('softmax', 24576, 128),
  rowCase('layernorm', 2048, 768),
  rowCase('gelu', 2048, 3072),
]
