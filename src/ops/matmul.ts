import { complain } from '../gpu'
import { Tensor, tape } from '../graph'
import { gemm, type Matrix } from './gemm'

export interface MatmulOptions {
  /** Use aᵀ: a is [..., k, m]. */
  transposeA?: boolean
  /** Use bᵀ: b is [..., n, k]. */
  transposeB?: boolean
}

/**
 * y = a · b over the last two dimensions: a [..., m, k], b [..., k, n] or [k, n], y [..., m, n]. Each f32 or f16,
 * y as a; gradients are f32.
 *
 * Backward: da = dy · bᵀ, db = aᵀ · dy (summed over the batch where b has none).
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transposeA = false, transposeB = false } = options
  if (a.shape.length < 2) complain('matmul', 'a', 'at least two dimensions', `[${a.shape}]`)
  if (b.shape.length < 2) complain('matmul', 'b', 'at least two dimensions', `[${b.shape}]`)
  const [m, k] = lastTwo(a, transposeA)
  const [kb, n] = lastTwo(b, transposeB)
  if (k !== kb) complain('matmul', 'the inner dimensions', `[.., ${m}, ${k}] · [.., ${k}, n]`, `[${a.shape}] · [${b.shape}]`)
  const lead = a.shape.slice(0, -2)
  const shared = b.shape.length === 2 && lead.length > 0
  if (!shared && `${b.shape.slice(0, -2)}` !== `${lead}`)
    complain('matmul', 'the batch of b', `[${lead}] or none`, `[${b.shape.slice(0, -2)}]`)
  const batch = lead.reduce((p, d) => p * d, 1)
  const y = Tensor.empty(a.device, [...lead, m, n], 'matmul', a.dtype)
  gemm({ op: 'matmul', a: flat(a, transposeA), b: flat(b, transposeB, shared), c: flat(y), m, n, k, batch0: batch })
  return tape('matmul', [a, b], y, (dy, [needA, needB]) => [
    needA ? gradA(a, b, dy, { transposeA, transposeB, shared, m, n, k, batch }) : null,
    needB ? gradB(a, b, dy, { transposeA, transposeB, shared, m, n, k, batch }) : null,
  ])
}

interface Sizes {
  transposeA: boolean
  transposeB: boolean
  shared: boolean
  m: number
  n: number
  k: number
  batch: number
}

function lastTwo(t: Tensor, transposed: boolean): [number, number] {
  const [rows, columns] = t.shape.slice(-2)
  return transposed ? [columns, rows] : [rows, columns]
}

function flat(tensor: Tensor, transposed = false, shared = false): Matrix {
  const [rows, columns] = tensor.shape.slice(-2)
  return { tensor, rowStride: columns, transposed, stride0: shared ? 0 : rows * columns }
}

function gradA(a: Tensor, b: Tensor, dy: Tensor, s: Sizes): Tensor {
  const da = Tensor.empty(a.device, a.shape, 'matmul.da')
  const [dyM, bM] = [flat(dy), flat(b, !s.transposeB, s.shared)]
  // da = dy·bᵀ [m, k]; stored transposed it is b·dyᵀ [k, m].
  if (!s.transposeA) gemm({ op: 'matmul.da', a: dyM, b: bM, c: flat(da), m: s.m, n: s.k, k: s.n, batch0: s.batch })
  else
    gemm({
      op: 'matmul.da',
      a: flat(b, s.transposeB, s.shared),
      b: flat(dy, true),
      c: flat(da),
      m: s.k,
      n: s.m,
      k: s.n,
      batch0: s.batch,
    })
  return da
}

function gradB(a: Tensor, b: Tensor, dy: Tensor, s: Sizes): Tensor {
  const db = Tensor.empty(b.device, b.shape, 'matmul.db')
  // Without a batch of its own b's gradient sums over the rows of all batches: one long inner dimension where a lies so.
  const long = s.shared && !s.transposeA
  for (let i = 0; i < (s.shared && !long ? s.batch : 1); i++) {
    const at = (t: Tensor, transposed: boolean): Matrix => ({
      ...flat(t, transposed),
      offset: s.shared && !long ? i * (t.size / s.batch) : 0,
    })
    const sizes = { k: long ? s.m * s.batch : s.m, batch0: s.shared ? 1 : s.batch, accumulate: i > 0 }
    // db = aᵀ·dy [k, n]; stored transposed it is dyᵀ·a [n, k].
    if (!s.transposeB) gemm({ op: 'matmul.db', a: at(a, !s.transposeA), b: at(dy, false), c: flat(db), m: s.k, n: s.n, ...sizes })
    else gemm({ op: 'matmul.db', a: at(dy, true), b: at(a, s.transposeA), c: flat(db), m: s.n, n: s.k, ...sizes })
  }
  return db
}
