import shader from '../../shaders/layernorm.wgsl'
import { complain, f32 } from '../gpu'
import { type DType, halves, rowRanges, Tensor, tape, wantF32 } from '../graph'
import { type DropoutRng, dropoutBits } from './dropout'
import { rowCells, rowGroups } from './row_groups'
import { sumRows } from './sum_rows'

/** What is added to a layer norm's input in the same pass. */
export interface Added {
  /** In x's shape and dtype. It is used up: its memory holds x + dropout(h) from then on, for backward. */
  h: Tensor
  /** h goes through this first, with the bits of `dropout`. */
  dropout?: { p: number; rng: DropoutRng } | null
}

/**
 * y = γ·(x − μ)/√(σ² + eps) + β over the last dimension (biased variance), x [..., n] f32 or f16, γ and β [n] f32. With `added`, of
 * x + dropout(h) instead of x: one pass forward, which leaves the sum in h, and one backward.
 *
 * Backward, with x̂ = (x − μ)ρ and g = γ∘dy: dx = ρ(g − mean(g) − x̂·mean(g∘x̂)), dγ = Σ_rows dy∘x̂, dβ = Σ_rows dy,
 * dh = keep∘dx / (1 − p).
 */
export function layerNorm(x: Tensor, gamma: Tensor, beta: Tensor, eps = 1e-5, added: Added | null = null): Tensor {
  const n = x.shape.at(-1) ?? 0
  if (gamma.size !== n) complain('layerNorm', 'gamma', `[${n}]`, `[${gamma.shape}]`)
  if (beta.size !== n) complain('layerNorm', 'beta', `[${n}]`, `[${beta.shape}]`)
  wantF32('layerNorm', { gamma, beta })
  if (added && `${added.h.shape}` !== `${x.shape}`) complain('layerNorm', 'h', `[${x.shape}]`, `[${added.h.shape}]`)
  if (added && added.h.dtype !== x.dtype) complain('layerNorm', 'h', x.dtype, added.h.dtype)
  const { device, shape } = x
  const like = (op: string, dtype?: DType) => Tensor.empty(device, shape, op, dtype)
  const stats = Tensor.empty(device, [x.size / n, 2], 'layerNorm.stats')
  const y = like('layerNorm', x.dtype)
  const [h, sum] = [added?.h, added?.h ?? x]
  const [p, rng] = [added?.dropout?.p ?? 0, added?.dropout?.rng]
  // Drawn once for both ways: a 32nd of h.
  const drop = p && rng ? { bits: dropoutBits('layerNorm.dropout', rng.state, rng.stream, p, x.size / n, n), scale: 1 / (1 - p) } : null
  run('layerNorm', { form: 0, out: y, stats, x, whole: [gamma, beta], rows: [], eps, added: h, drop })
  return tape('layerNorm', h ? [x, gamma, beta, h] : [x, gamma, beta], y, (dy, [needX, needGamma, needBeta, needH]) => {
    const shared = { stats, x: sum, rows: [dy] }
    const dx = needX || needH ? like('layerNorm.dx') : null
    const dh = needH && drop ? like('layerNorm.dh') : null
    if (dx) run('layerNorm.dx', { form: 1, out: dx, ...shared, whole: [gamma], added: dh, drop: dh && drop })
    const terms = needGamma ? like('layerNorm.dgamma') : null
    if (terms) run('layerNorm.dgamma', { form: 2, out: terms, ...shared, whole: [] })
    return [
      dx,
      terms && sumRows('layerNorm.dgamma', terms, n),
      needBeta ? sumRows('layerNorm.dbeta', dy, n) : null,
      ...(h ? [dh ?? dx] : []),
    ]
  })
}

interface Run {
  form: number
  out: Tensor
  stats: Tensor
  x: Tensor
  /** Operands of one row. */
  whole: Tensor[]
  /** Operands of x's shape, after those. */
  rows: Tensor[]
  eps?: number
  /** What is added and becomes the sum, or its gradient. */
  added?: Tensor | null
  drop?: { bits: Tensor; scale: number } | null
}

function run(op: string, { form, out, stats, x, whole, rows, eps = 0, added, drop }: Run): void {
  const { device } = x
  const n = x.shape.at(-1) as number
  const tile = rowGroups(device)
  const { constants, cells, width } = rowCells(n)
  for (const { start, count } of rowRanges(device, op, x.size / n, n * 4, n * x.width)) {
    const part = (t: Tensor) => t.bind(start * n, count * n)
    const moments = stats.bindLoose(start * 2, count * 2)
    const perRow = Math.ceil(n / 32)
    const bits = drop?.bits.bindLoose(start * perRow, count * perRow)
    device.run({
      op,
      shader,
      constants: { ...tile, ...constants, ...halves({ X: x }, width), FORM: form, ADD: Boolean(added), DROP: Boolean(drop) },
      bind: [
        part(out),
        moments.binding,
        part(x),
        ...whole.map((t) => t.bind()),
        ...(added ? [...rows, added] : rows).map(part),
        ...(bits ? [bits.binding] : []),
      ],
      words: [count, cells, f32(eps), moments.skip, bits?.skip ?? 0, perRow, f32(drop?.scale ?? 1)],
      groups: Math.ceil(count / tile.ROWS),
      flops: 9 * count * n,
    })
  }
}
