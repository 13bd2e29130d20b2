import { type Case, distance, type WorkOf } from '../case'
import { numbers } from '../random'
import { softmaxRow } from './rows'

type Attention = WorkOf<'attention'>

/** q, k, v [batch, length, heads·d]. */
export const attentionInputs = ({ batch, length, heads, d }: Attention) =>
  ['q', 'k', 'v'].map((name) => numbers(name, batch * length * heads * d))

function reference(work: Attention): Float64Array {
  const { batch, length, heads, d } = work
  const [q, k, v] = attentionInputs(work)
  const hidden = heads * d
  const out = new Float64Array(q.length)
  const scores = new Float64Array(length)
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++)
      for (let i = 0; i < length; i++) {
        const at = (row: number) => (b * length + row) * hidden + h * d
        scores.fill(0)
        for (let j = 0; j < length; j++) for (let x = 0; x < d; x++) scores[j] += (q[at(i) + x] * k[at(j) + x]) / Math.sqrt(d)
        softmaxRow(scores)
        for (let j = 0; j < length; j++) for (let x = 0; x < d; x++) out[at(i) + x] += scores[j] * v[at(j) + x]
      }
  return out
}

function attention(batch: number, length: number, heads: number, d: number): Case<Attention> {
  const work: Attention = { kind: 'attention', batch, length, heads, d }
  const flops = 4 * batch * heads * length * length * d
  return {
    group: 'attention',
    name: `${batch}×${heads}×(${length}×${d})`,
    unit: 'GFLOP/s',
    better: 'higher',
    work,
    amount: flops / 1e9,
    flops,
    error: ([o]) => distance(o, reference(work)),
    limit: 1e-4,
  }
}

// The last one's matrix would take 96 MiB: no device makes it.
export const attentions = [attention(8, 64, 12, 32), attention(4, 128, 12, 64), attention(8, 512, 12, 32)]
