import { EigenvalueDecomposition, Matrix, QrDecomposition } from 'ml-matrix'
import { largestSingular } from '../../src/peft/singular'
import { assert, rng, test } from '../harness'

const orthonormal = (rows: number, columns: number) =>
  new QrDecomposition(Matrix.from1DArray(rows, columns, Array.from(rng().normal(rows * columns, 1)))).orthogonalMatrix

/** U, S and V are what they are called: V and U orthonormal, W·Vᵀ = U·S and Wᵀ·U = Vᵀ·S. */
function check(W: Matrix, r: number, values: readonly number[]): void {
  const { U, S, V } = largestSingular(Float32Array.from(W.to1DArray()), [W.rows, W.columns], r)
  const near = (a: Matrix, b: Matrix, what: string) =>
    assert.close(a.to1DArray(), b.to1DArray(), 1e-6, `${what} of ${W.rows}×${W.columns}, r ${r}`)
  near(Matrix.rowVector(S), Matrix.rowVector(values.slice(0, r)), 'values')
  near(U.transpose().mmul(U), Matrix.eye(r), 'left vectors')
  near(V.mmul(V.transpose()), Matrix.eye(r), 'right vectors')
  near(W.mmul(V.transpose()), U.clone().mmul(Matrix.diag(S)), 'W·Vᵀ')
  near(W.transpose().mmul(U), V.transpose().mmul(Matrix.diag(S)), 'Wᵀ·U')
}

test('the largest singular values and vectors of random matrices, tall, wide and square, few and many', () => {
  const random = rng()
  for (const r of [1, 5, 30]) {
    const [rows, columns] = [random.int(100, 180), random.int(100, 180)]
    const W = Matrix.from1DArray(rows, columns, Array.from(random.normal(rows * columns, 1)))
    const gram = rows > columns ? W.transpose().mmul(W) : W.mmul(W.transpose())
    const { realEigenvalues } = new EigenvalueDecomposition(gram, { assumeSymmetric: true })
    check(
      W,
      r,
      realEigenvalues.map((each) => Math.sqrt(Math.max(0, each))).sort((a, b) => b - a),
    )
  }
})

test('values that repeat to the bit, and a rank below the wanted number', () => {
  for (const values of [
    [3, 3, 3, 2, 2, 1],
    [5, 1, 1, 1],
    [2, 2, 2, 2, 2, 2, 2, 2],
  ]) {
    // Any other matrix of them is rounded to float32, which tells them apart. The tail keeps the first vectors from spanning all.
    const all = [...values, ...Array.from({ length: 110 }, (_, i) => 0.9 - i / 200)]
    check(Matrix.diag(all, all.length, all.length + 7), 4, all)
  }
  const [rows, columns] = [120, 131]
  const short = orthonormal(rows, 3)
    .mmul(Matrix.diag([3, 3, 1]))
    .mmul(orthonormal(columns, 3).transpose())
  const { S } = largestSingular(Float32Array.from(short.to1DArray()), [rows, columns], 5)
  assert.close(S, [3, 3, 1, 0, 0], 1e-6)
})
