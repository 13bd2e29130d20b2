import type { Matrix } from 'ml-matrix'
import type { AdaptedLayer } from './layers'
import { phi, randomBasis, type Side, type Spaces, singularVectors, solver } from './spaces'

export const parts = ['A', 'B', 'BA'] as const
export type Part = (typeof parts)[number]

/** Singular vectors of the conversion matrices of one kind of module, layer by layer. */
export interface Conversion {
  /** `attention.self.query` */
  kind: string
  layers: number[]
  spaces: Record<Part, Spaces[]>
  /** The weights are not square, and W0⁻¹ is the pseudo-inverse (least squares). */
  leastSquares: boolean
}

/**
 * What leads from a frozen weight to its adapter (eqs. 3 and 4 of the paper, in float64): W0⁻¹·Aᵀ, W0⁻¹·B and W0⁻¹·B·A, without
 * the scale. Of a weight that is not square, A's is (W0ᵀ)⁻¹·Aᵀ, the only one whose shapes agree.
 * @throws Error naming the layer whose weight has no inverse
 */
export function conversionMatrices(layers: AdaptedLayer[], progress: (done: number) => void = () => {}): Conversion[] {
  const found = new Map<string, Conversion>()
  layers.forEach(({ kind, layer, path, W, A, B }, done) => {
    progress(done)
    const square = W.rows === W.columns
    const conversion = found.get(kind) ?? { kind, layers: [], spaces: { A: [], B: [], BA: [] }, leastSquares: !square }
    found.set(kind, conversion)
    const solve = solver(W, path)
    const ofB = solve(B)
    const ofA = (square ? solve : solver(W.transpose(), path))(A.transpose())
    conversion.layers.push(layer)
    conversion.spaces.A.push(singularVectors(ofA))
    conversion.spaces.B.push(singularVectors(ofB))
    conversion.spaces.BA.push(singularVectors({ left: ofB, right: A }))
  })
  progress(layers.length)
  return [...found.values()]
}

export interface Grid {
  /** φ of each pair of layers. */
  phi: number[][]
  /** Mean of the pairs above the diagonal: what the paper's figures have in their titles. */
  average: number
}

/** φ(i, j) of all pairs of layers on one side. */
export function similarityGrid(spaces: Spaces[], i: number, j: number, side: Side): Grid {
  return gridOf(
    spaces.map((s) => s[side]),
    i,
    j,
  )
}

/** The same for random matrices, whose first singular vectors span random subspaces. */
export function randomGrid(spaces: Spaces[], i: number, j: number, side: Side, seed: number): Grid {
  const columns = Math.max(i, j)
  return gridOf(
    spaces.map(({ [side]: { rows } }, layer) => randomBasis(rows, columns, seed, layer)),
    i,
    j,
  )
}

function gridOf(vectors: Matrix[], i: number, j: number): Grid {
  const grid = vectors.map((x) => vectors.map((y) => phi(x, y, i, j)))
  const above = grid.flatMap((row, n) => row.slice(n + 1))
  return { phi: grid, average: above.reduce((a, b) => a + b, 0) / above.length }
}
