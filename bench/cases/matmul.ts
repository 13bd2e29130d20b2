import { fromHalf, toHalf } from '../../src/io/half'
import { type Case, distance, type WorkOf } from '../case'
import { numbers } from '../random'

type Matmul = WorkOf<'matmul'>

/** a [batch, m, k] (or k, m) and b [batch, k, n] (or n, k); numbers that half floats are, where they are to be that. */
export function matmulInputs({ m, n, k, batch, half }: Matmul) {
  const draw = (name: string, size: number) => (half ? fromHalf(toHalf(numbers(name, size))) : numbers(name, size))
  return { a: draw('a', batch * m * k), b: draw('b', batch * k * n) }
}
export const aShape = ({ m, k, transposeA }: Matmul) => (transposeA ? [k, m] : [m, k])
export const bShape = ({ n, k, transposeB }: Matmul) => (transposeB ? [n, k] : [k, n])

/** C·v against A·(B·v) in float64 for a random v of ±1 (Freivalds): every element counts, in time that grows with the inputs. */
function error(work: Matmul, c: Float32Array): number {
  const { m, n, k, batch, transposeA, transposeB } = work
  if (c.length !== batch * m * n) return Number.NaN
  const { a, b } = matmulInputs(work)
  const v = numbers('signs', n).map(Math.sign)
  let worst = 0
  for (let i = 0; i < batch; i++) {
    const bv = product(b.subarray(i * k * n, (i + 1) * k * n), k, n, transposeB, v)
    const abv = product(a.subarray(i * m * k, (i + 1) * m * k), m, k, transposeA, bv)
    const off = distance(product(c.subarray(i * m * n, (i + 1) * m * n), m, n, false, v), abv)
    if (!(off <= worst)) worst = off
  }
  return worst
}

/** Matrix [rows, columns] (stored transposed or not) times a vector, in float64. */
function product(matrix: Float32Array, rows: number, columns: number, transposed: boolean, v: ArrayLike<number>): Float64Array {
  const out = new Float64Array(rows)
  const [row, column] = transposed ? [1, rows] : [columns, 1]
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[i] += matrix[i * row + j * column] * v[j]
  return out
}

/** Results that are half floats are off by up to 5e-4 each. */
export const halfLimit = 2e-3

export function matmul(group: string, name: string, sizes: Partial<Matmul> & { m: number; n: number; k: number }): Case<Matmul> {
  const work: Matmul = { kind: 'matmul', batch: 1, transposeA: false, transposeB: false, ...sizes }
  const flops = 2 * work.batch * work.m * work.n * work.k
  return {
    group,
    name,
    unit: 'GFLOP/s',
    better: 'higher',
    work,
    amount: flops / 1e9,
    flops,
    error: ([c]) => error(work, c),
    limit: work.half ? halfLimit : 1e-4,
  }
}

const square = (n: number) => matmul('matmul', `square ${n}`, { m: n, n, k: n })
const linear = (name: string, m: number, n: number, k: number) =>
  matmul('model shapes', `${name} ${m}×${k}×${n}`, { m, n, k, transposeB: true })

export const squares = [256, 512, 1024, 2048, 4096].map(square)

/** Tokens × hidden · (out × hidden)ᵀ as the models have them, and the forms of backward. */
export const modelShapes = [
  linear('minilm projection', 512, 384, 384),
  linear('minilm ffn up', 512, 1536, 384),
  linear('minilm ffn down', 512, 384, 1536),
  linear('base projection', 512, 768, 768),
  linear('base ffn up', 512, 3072, 768),
  linear('base ffn down', 512, 768, 3072),
  matmul('model shapes', 'dX = dY·W 512×768×768', { m: 512, n: 768, k: 768 }),
  matmul('model shapes', 'dW = dYᵀ·X 768×512×768', { m: 768, n: 768, k: 512, transposeA: true }),
  matmul('model shapes', 'q·kᵀ 48×(128×32×128)', { batch: 48, m: 128, n: 128, k: 32, transposeB: true }),
]

/** Rank 8: x·Aᵀ, h·Bᵀ, dhᵀ·x. */
export const adapterShapes = [
  matmul('adapter', 'x·Aᵀ 512×384×8', { m: 512, n: 8, k: 384, transposeB: true }),
  matmul('adapter', 'h·Bᵀ 512×8×384', { m: 512, n: 384, k: 8, transposeB: true }),
  matmul('adapter', 'dA = dhᵀ·x 8×512×384', { m: 8, n: 384, k: 512, transposeA: true }),
  matmul('adapter', 'x·Aᵀ 512×768×8', { m: 512, n: 8, k: 768, transposeB: true }),
  matmul('adapter', 'h·Bᵀ 512×8×768', { m: 512, n: 768, k: 8, transposeB: true }),
]

export const halfGroup = 'half precision'

/** The same with a, b and the result in half floats. */
export const inHalves = ({ name, work }: Case<Matmul>) => matmul(halfGroup, name, { ...work, half: true })

export const halfShapes = [...squares.filter(({ work }) => [512, 1024, 4096].includes(work.m)), ...modelShapes.slice(0, 6)].map(inHalves)
