import shader from '../../shaders/layernorm.wgsl'
import { complain, f32 } from '../gpu'
import { rowRanges, Tensor, tape } from '../graph'
import { rowCells, rowGroups } from './row_groups'
import { sumRows } from './sum_rows'

/**
 * y = γ·(x − μ)/√(σ² + eps) + β over the last dimension (biased variance), x [..., n], γ and β [n], f32.
 *
 * Backward, with x̂ = (x − μ)ρ and h = γ∘dy: dx = ρ(h − mean(h) − x̂·mean(h∘x̂)), dγ = Σ_rows dy∘x̂, dβ = Σ_rows dy.
 */
export function layerNorm(x: Tensor, gamma: Tensor, beta: Tensor, eps = 1e-5): Tensor {
  const n = x.shape.at(-1) ?? 0
  if (gamma.size !== n) complain('layerNorm', 'gamma', `[${n}]`, `[${gamma.shape}]`)
  if (beta.size !== n) complain('layerNorm', 'beta', `[${n}]`, `[${beta.shape}]`)
  const stats = Tensor.empty(x.device, [x.size / n, 2], 'layerNorm.stats')
  const y = run('layerNorm', 0, stats, x, [gamma, beta], null, eps)
  return tape('layerNorm', [x, gamma, beta], y, (dy, [needX, needGamma, needBeta]) => [
    needX ? run('layerNorm.dx', 1, stats, x, [gamma], dy, eps) : null,
    needGamma ? sumRows('layerNorm.dgamma', run('layerNorm.dgamma', 2, stats, x, [], dy, eps), n) : null,
    needBeta ? sumRows('layerNorm.dbeta', dy, n) : null,
  ])
}

function run(op: string, form: number, stats: Tensor, x: Tensor, whole: Tensor[], dy: Tensor | null, eps: number): Tensor {
  const { device } = x
  const n = x.shape.at(-1) as number
  const out = Tensor.empty(device, x.shape, op)
  const tile = rowGroups(device)
  const { constants, cells } = rowCells(n)
  for (const { start, count } of rowRanges(device, op, x.size / n, n * 4)) {
    const rows = (t: Tensor) => t.bind(start * n, count * n)
    const moments = stats.bindLoose(start * 2, count * 2)
    device.run({
      op,
      shader,
      constants: { ...tile, ...constants, FORM: form },
      bind: [rows(out), moments.binding, rows(x), ...whole.map((t) => t.bind()), ...(dy ? [rows(dy)] : [])],
      words: [count, cells, f32(eps), moments.skip],
      groups: Math.ceil(count / tile.ROWS),
      flops: 9 * count * n,
    })
  }
  return out
}
