import { EigenvalueDecomposition, Matrix, QrDecomposition, SingularValueDecomposition } from 'ml-matrix'
import { Random } from '../ops/philox'
import { lanczos } from './lanczos'

/** The largest singular values of W [out, in] with their vectors: W ≈ U·diag(S)·V. */
export interface Singular {
  /** [out, r] */
  U: Matrix
  S: number[]
  /** [r, in] */
  V: Matrix
}

/**
 * The r largest, in float64.
 * @param iterations without, they are exact (a second for 8 of 768×768); with, they come from so many turns of subspace iteration on random vectors
 *   (Halko et al. 2011)
 */
export function largestSingular(weight: Float32Array, [outputs, inputs]: readonly number[], r: number, iterations?: number): Singular {
  // A few of many: a small space around them is enough.
  if (iterations === undefined && Math.min(outputs, inputs) > 8 * r + 64) {
    const { U, S, V } = lanczos(weight, [outputs, inputs], r)
    return { U: new Matrix(U).transpose(), S, V: new Matrix(V) }
  }
  const W = Matrix.from1DArray(outputs, inputs, Array.from(weight))
  return iterations === undefined ? exact(W, r) : turned(W, r, iterations)
}

/** By the smaller of W·Wᵀ and Wᵀ·W; their eigenvalues are the squares. */
function exact(W: Matrix, r: number): Singular {
  const tall = W.rows > W.columns
  const gram = tall ? W.transpose().mmul(W) : W.mmul(W.transpose())
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(gram, { assumeSymmetric: true })
  const order = realEigenvalues.map((_, i) => i).sort((a, b) => realEigenvalues[b] - realEigenvalues[a])
  const S = order.slice(0, r).map((i) => Math.sqrt(Math.max(0, realEigenvalues[i])))
  const vectors = eigenvectorMatrix.subMatrixColumn(order.slice(0, r))
  const other = tall ? W.mmul(vectors) : W.transpose().mmul(vectors)
  S.forEach((s, i) => {
    other.mulColumn(i, s ? 1 / s : 0)
  })
  return tall ? { U: other, S, V: vectors.transpose() } : { U: vectors, S, V: other.transpose() }
}

function turned(W: Matrix, r: number, iterations: number): Singular {
  const q = Math.min(W.rows, W.columns, r + 8)
  let Q = Matrix.from1DArray(W.columns, q, Array.from(new Random(0).normal(W.columns * q, 1)))
  for (let i = 0; i <= iterations; i++) {
    const left = new QrDecomposition(W.mmul(Q)).orthogonalMatrix
    Q = new QrDecomposition(W.transpose().mmul(left)).orthogonalMatrix
  }
  const svd = new SingularValueDecomposition(W.mmul(Q), { autoTranspose: true })
  const columns = Array.from({ length: r }, (_, i) => i)
  return {
    U: svd.leftSingularVectors.subMatrixColumn(columns),
    S: svd.diagonal.slice(0, r),
    V: Q.mmul(svd.rightSingularVectors.subMatrixColumn(columns)).transpose(),
  }
}
