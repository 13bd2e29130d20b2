import { LuDecomposition, Matrix, QrDecomposition, SingularValueDecomposition } from 'ml-matrix'
import { Random } from '../ops/philox'

export type Side = 'left' | 'right'

/** A matrix as a product of two with few columns in common: singular vectors come from them, never from a full SVD. */
export interface Factored {
  /** [rows, r] */
  left: Matrix
  /** [r, columns] */
  right: Matrix
}

/** Singular vectors as columns, in the order of their values: left [rows, r], right [columns, r]. */
export type Spaces = Record<Side, Matrix>

export function singularVectors(matrix: Matrix | Factored): Spaces {
  if ('left' in matrix) return ofFactors(matrix)
  const svd = new SingularValueDecomposition(matrix, { autoTranspose: true })
  return { left: svd.leftSingularVectors, right: svd.rightSingularVectors }
}

/** P·Q with P = Q₁R₁ and Qᵀ = Q₂R₂: the singular vectors of R₁R₂ᵀ [r, r], turned by Q₁ and Q₂. */
function ofFactors({ left, right }: Factored): Spaces {
  const [p, q] = [new QrDecomposition(left), new QrDecomposition(right.transpose())]
  const inner = singularVectors(p.upperTriangularMatrix.mmul(q.upperTriangularMatrix.transpose()))
  return { left: p.orthogonalMatrix.mmul(inner.left), right: q.orthogonalMatrix.mmul(inner.right) }
}

/**
 * Normalised subspace similarity φ (eq. 2 of the paper): ‖Xᵢᵀ·Yⱼ‖² / min(i, j) of the first i and j columns, in [0, 1].
 * Two random subspaces of a space of d dimensions have max(i, j) / d on average.
 * @throws RangeError where a matrix has fewer columns
 */
export function phi(x: Matrix, y: Matrix, i: number, j: number): number {
  for (const [name, wanted, { columns }] of [['i', i, x] as const, ['j', j, y] as const])
    if (!Number.isInteger(wanted) || wanted < 1 || wanted > columns)
      throw new RangeError(`φ: ${name}: wanted 1 to ${columns}, as many as the matrix has singular vectors, got ${wanted}`)
  const product = firstColumns(x, i).transpose().mmul(firstColumns(y, j))
  return product.norm('frobenius') ** 2 / Math.min(i, j)
}

/** Columns that span a random subspace: those of a Gaussian matrix, made orthonormal. */
export function randomBasis(rows: number, columns: number, seed: number, stream: number): Matrix {
  if (columns > rows) throw new RangeError(`φ: wanted at most ${rows} vectors, got ${columns}`)
  const values = new Random(seed, stream).normal(rows * columns, 1)
  return new QrDecomposition(Matrix.from1DArray(rows, columns, Array.from(values))).orthogonalMatrix
}

const firstColumns = (m: Matrix, n: number) => m.subMatrix(0, m.rows - 1, 0, n - 1)

/**
 * X of W·X = Y; of a W that is not square, the least-squares solution.
 * @throws Error with `name` where W has no inverse
 */
export function solver(w: Matrix, name: string): (y: Matrix) => Matrix {
  const square = w.rows === w.columns
  const lu = square ? new LuDecomposition(w) : undefined
  // A wide W has many solutions; the smallest is Wᵀ(W·Wᵀ)⁻¹·Y.
  const wide = w.rows < w.columns ? new LuDecomposition(w.mmul(w.transpose())) : undefined
  const qr = lu || wide ? undefined : new QrDecomposition(w)
  const triangle = (lu ?? wide ?? qr)?.upperTriangularMatrix as Matrix
  const pivots = triangle.diagonal().map(Math.abs)
  const [least, most] = [Math.min(...pivots), Math.max(...pivots)]
  if (!(least > most * pivots.length * Number.EPSILON))
    throw new Error(
      `${name}: its frozen weight [${w.rows}, ${w.columns}] has no full rank (pivots from ${most} to ${least}): there is no W0⁻¹`,
    )
  if (lu) return (y) => lu.solve(y)
  if (wide) return (y) => w.transpose().mmul(wide.solve(y))
  return (y) => (qr as QrDecomposition).solve(y)
}
