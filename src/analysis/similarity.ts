import type { Matrix } from 'ml-matrix'
import type { AdaptedLayer } from './layers'
import { phi, randomBasis, singularVectors } from './spaces'

/** φ between the matrices of two adapters at one layer, and of the first one's with a random subspace. */
export interface LayerSimilarity {
  kind: string
  layer: number
  /** Right singular vectors of A; left ones of B and of ΔW = B·A. */
  A: number
  B: number
  BA: number
  random: Record<'A' | 'B' | 'BA', number>
}

/**
 * How alike two adapters of one base are, layer by layer (table 3 of the paper).
 * @param options.rank vectors of each side; default: the smaller rank
 * @throws Error where the two adapt different layers
 */
export function compareAdapters(one: AdaptedLayer[], other: AdaptedLayer[], options: { rank?: number; seed: number }): LayerSimilarity[] {
  const byPath = new Map(other.map((layer) => [layer.path, layer]))
  const alone = [...one.filter((l) => !byPath.has(l.path)), ...other.filter((l) => !one.some(({ path }) => path === l.path))]
  if (alone.length)
    throw new Error(
      `only one of the two adapters has ${alone
        .map((l) => l.path)
        .slice(0, 3)
        .join(', ')}`,
    )
  return one.map((x, at) => {
    const y = byPath.get(x.path) as AdaptedLayer
    const n = options.rank ?? Math.min(x.A.rows, y.A.rows)
    const [a, b] = [x, y].map(vectors)
    const random = (space: Matrix, part: number) => phi(space, randomBasis(space.rows, n, options.seed, 3 * at + part), n, n)
    return {
      kind: x.kind,
      layer: x.layer,
      A: phi(a.A, b.A, n, n),
      B: phi(a.B, b.B, n, n),
      BA: phi(a.BA, b.BA, n, n),
      random: { A: random(a.A, 0), B: random(a.B, 1), BA: random(a.BA, 2) },
    }
  })
}

function vectors({ A, B }: AdaptedLayer) {
  return { A: singularVectors(A).right, B: singularVectors(B).left, BA: singularVectors({ left: B, right: A }).left }
}
