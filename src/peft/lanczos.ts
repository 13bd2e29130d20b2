import { Matrix, SingularValueDecomposition } from 'ml-matrix'
import { Random } from '../ops/philox'

type Vector = Float64Array
/** Singular values, the largest first, with their left and right vectors. */
export interface Triples {
  S: number[]
  U: Vector[]
  V: Vector[]
}

const tolerance = 1e-11

/**
 * The r largest singular values of W [rows, columns] with their vectors, in float64, by Golub-Kahan-Lanczos bidiagonalisation with full
 * reorthogonalisation (Golub and Van Loan, Matrix Computations, 10.4). One start vector meets each repeated value once; so
 * what is left without the found ones is searched again until nothing larger turns up.
 */
export function lanczos(W: ArrayLike<number>, [rows, columns]: readonly [number, number], r: number): Triples {
  const space = new Bidiagonal(Float64Array.from(W), rows, columns)
  const most = Math.min(rows, columns)
  let found = space.largest(Math.min(r, most), { S: [], U: [], V: [] })
  while (found.S.length < most) {
    const more = space.largest(1, found)
    if (!(more.S[0] > found.S[r - 1] + 1e-9 * found.S[0])) break
    found = first(r, merged(found, more))
  }
  return found
}

class Bidiagonal {
  readonly #random = new Random(0)

  constructor(
    private readonly W: Vector,
    private readonly rows: number,
    private readonly columns: number,
  ) {}

  /** The r largest in the space across from what is known. */
  largest(r: number, known: Triples): Triples {
    const [U, V, alphas, betas]: [Vector[], Vector[], number[], number[]] = [[], [], [], []]
    const most = Math.min(this.rows, this.columns) - known.S.length
    let look = Math.min(most, 2 * r + 16)
    let [v] = this.#unit(undefined, this.columns, known.V)
    for (;;) {
      V.push(v)
      const [u, alpha] = this.#unit(this.#times(v), this.rows, [...known.U, ...U])
      U.push(u)
      alphas.push(alpha)
      const done = U.length === most
      const [next, beta] = done ? [v, 0] : this.#unit(this.#transposed(u), this.columns, [...known.V, ...V])
      if (U.length >= look) {
        const { S, left, right } = small(alphas, betas)
        const rest = S.slice(0, r).map((_, i) => beta * Math.abs(left.get(U.length - 1, i)))
        if (done || rest.every((each) => each <= tolerance * S[0]))
          return { S: S.slice(0, r), U: combined(U, left, r), V: combined(V, right, r) }
        look = Math.min(most, Math.ceil(1.4 * U.length))
      }
      betas.push(beta)
      v = next
    }
  }

  /** What is left of x across from all of `others`, at length 1, and its length; where nothing is, a random direction and 0. */
  #unit(x: Vector | undefined, size: number, others: Vector[]): [Vector, number] {
    const before = x ? length(x) : 0
    if (x) {
      const after = across(x, others)
      if (after > 1e-13 * before) return [x.map((each) => each / after), after]
    }
    const drawn = Float64Array.from(this.#random.normal(size, 1))
    const norm = across(drawn, others)
    return [drawn.map((each) => each / norm), 0]
  }

  #times(v: Vector): Vector {
    const { W, rows, columns } = this
    const y = new Float64Array(rows)
    for (let i = 0, at = 0; i < rows; i++) {
      let sum = 0
      for (let j = 0; j < columns; j++, at++) sum += W[at] * v[j]
      y[i] = sum
    }
    return y
  }

  #transposed(u: Vector): Vector {
    const { W, rows, columns } = this
    const y = new Float64Array(columns)
    for (let i = 0, at = 0; i < rows; i++) for (let j = 0; j < columns; j++, at++) y[j] += W[at] * u[i]
    return y
  }
}

/** Takes from x its parts along `others`, twice for rounding; its length then. */
function across(x: Vector, others: Vector[]): number {
  for (let turn = 0; turn < 2; turn++)
    for (const other of others) {
      let dot = 0
      for (let i = 0; i < x.length; i++) dot += x[i] * other[i]
      for (let i = 0; i < x.length; i++) x[i] -= dot * other[i]
    }
  return length(x)
}

const length = (x: Vector) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0))

/** The singular value decomposition of the bidiagonal matrix. */
function small(alphas: number[], betas: number[]): { S: number[]; left: Matrix; right: Matrix } {
  const B = Matrix.zeros(alphas.length, alphas.length)
  alphas.forEach((alpha, k) => {
    B.set(k, k, alpha)
    if (k + 1 < alphas.length) B.set(k, k + 1, betas[k])
  })
  const { diagonal, leftSingularVectors, rightSingularVectors } = new SingularValueDecomposition(B)
  return { S: diagonal, left: leftSingularVectors, right: rightSingularVectors }
}

/** Σ basis[k]·weights[k, i] for each i below r. */
function combined(basis: Vector[], weights: Matrix, r: number): Vector[] {
  return Array.from({ length: r }, (_, i) => {
    const sum = new Float64Array(basis[0].length)
    basis.forEach((vector, k) => {
      const weight = weights.get(k, i)
      for (let j = 0; j < sum.length; j++) sum[j] += weight * vector[j]
    })
    return sum
  })
}

function merged(a: Triples, b: Triples): Triples {
  return { S: [...a.S, ...b.S], U: [...a.U, ...b.U], V: [...a.V, ...b.V] }
}

function first(r: number, { S, U, V }: Triples): Triples {
  const order = S.map((_, i) => i)
    .sort((a, b) => S[b] - S[a])
    .slice(0, r)
  return { S: order.map((i) => S[i]), U: order.map((i) => U[i]), V: order.map((i) => V[i]) }
}
