import shader from '../../shaders/layernorm.wgsl'
import { complain, f32 } from '../gpu'
import { rowRanges, tape, Tensor } from '../graph'
import { rowGroups } from './row_groups'
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
  const y = run('layerNorm', 0, stats, x, [gamma, beta], eps)
  return tape('layerNorm', [x, gamma, beta], y, (dy, [needX, needGamma, needBeta]) => [
    needX ? run('layerNorm.dx', 1, stats, x, [gamma, dy], eps) : null,
    needGamma ? sumRows('layerNorm.dgamma', run('layerNorm.dgamma', 2, stats, x, [dy], eps), n) : null,
    needBeta ? sumRows('layerNorm.dbeta', dy, n) : null,
  ])
}

function run(op: string, form: number, stats: Tensor, x: Tensor, rest: Tensor[], eps: number): Tensor {
  const { device } = x
  const n = x.shape.at(-1) as number
  const out = Tensor.empty(device, x.shape, op)
  const tile = rowGroups(device)
  for (const { start, count } of rowRanges(device, op, x.size / n, n * 4, 8)) {
    const rows = (t: Tensor) => (t.size === n && x.size !== n ? t.bind() : t.size === x.size ? t.bind(start * n, count * n) : t.bind())
    device.run({
      op,
      shader,
      constants: { ...tile, FORM: form },
      bind: [rows(out), stats.bind(start * 2, count * 2), rows(x), ...rest.map(rows)],
      words: [count, n, f32(eps)],
      groups: Math.ceil(count / tile.ROWS),
      flops: 9 * count * n,
    })
  }
  return out
}
