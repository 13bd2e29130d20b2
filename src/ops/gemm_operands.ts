import type { Tensor } from '../graph'

/** A matrix inside a tensor, for each of batch0 × batch1 batches. Strides and `offset` are in elements. */
export interface Matrix {
  tensor: Tensor
  offset?: number
  rowStride: number
  /** The rows in memory run along the second index: A is stored [k, m], B is stored [n, k]. */
  transposed?: boolean
  stride0?: number
  stride1?: number
}

export interface Gemm {
  op: string
  a: Matrix
  b: Matrix
  c: Matrix
  m: number
  n: number
  k: number
  batch0?: number
  batch1?: number
  alpha?: number
  /** [n], and of each further batch0 the n numbers that follow in memory. */
  bias?: Tensor | null
  /** Add to what C holds. */
  accumulate?: boolean
  after?: After | null
}

/** gelu, or its slope, of a dense C of one batch: by the kernel that makes C, or where that cannot by a pass of its own. */
export interface After {
  form: 'gelu' | 'geluTanh'
  /** C is multiplied by gelu'(z); else z, which has C's shape, becomes gelu(C). */
  slope: boolean
  z: Tensor
  pass: () => void
}

/** A product, or a part of one, with nothing left out. */
export type Part = Required<Omit<Gemm, 'bias' | 'after'>> & { bias: Tensor | null; after: After | null }

export interface Operand {
  matrix: Matrix
  rows: 'm' | 'n' | 'k'
  rowCount: number
  columns: number
}

/** The three matrices of a product as they lie in memory. */
export function operands(g: Part): Operand[] {
  return [
    { matrix: g.a, rows: g.a.transposed ? 'k' : 'm', rowCount: g.a.transposed ? g.k : g.m, columns: g.a.transposed ? g.m : g.k },
    { matrix: g.b, rows: g.b.transposed ? 'n' : 'k', rowCount: g.b.transposed ? g.n : g.k, columns: g.b.transposed ? g.k : g.n },
    { matrix: g.c, rows: 'm', rowCount: g.m, columns: g.n },
  ]
}

/** First element and number of elements that the operand touches. */
export function extent(g: Part, { matrix, rowCount, columns }: Operand): { first: number; count: number } {
  const { offset = 0, rowStride, stride0 = 0, stride1 = 0 } = matrix
  return { first: offset, count: (g.batch0 - 1) * stride0 + (g.batch1 - 1) * stride1 + (rowCount - 1) * rowStride + columns }
}
