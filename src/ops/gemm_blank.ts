// Products to be measured: what they are, and numbers of their own.
import type { Device } from '../gpu'
import { type DType, Tensor } from '../graph'
import type { Job } from './gemm_kernels'
import type { Matrix, Part } from './gemm_operands'
import { Random } from './philox'

type Place = Omit<Matrix, 'tensor'> & { dtype?: DType }

/** A product without its numbers, and without what comes after it. */
export interface Blank extends Omit<Part, 'a' | 'b' | 'c' | 'bias' | 'after'> {
  a: Place
  b: Place
  c: Place
  bias: boolean
}

/** What a product is, to be measured later with other numbers at the same places of a vec4. */
export function blankOf({ op, a, b, c, m, n, k, batch0, batch1, alpha, accumulate, bias, skip }: Job): Blank {
  const place = ({ tensor, ...matrix }: Matrix, offset: number): Place => ({ ...matrix, offset, dtype: tensor.dtype })
  const matrices = { a: place(a, skip.a), b: place(b, skip.b), c: place(c, skip.c) }
  return { op, ...matrices, m, n, k, batch0, batch1, alpha, accumulate, bias: bias !== null }
}

// As many as a prime, so that no two rows are alike.
let numbers: Float32Array | undefined

/** In [-1, 1). */
function uniform(length: number): Float32Array {
  const random = new Random(1)
  return Float32Array.from({ length }, () => 2 * random.float() - 1)
}

/** The product with numbers to multiply. */
export function filled(device: Device, blank: Blank): { part: Part; tensors: Tensor[] } {
  const { m, n, k, batch0, batch1 } = blank
  numbers ??= uniform(65521)
  const some = numbers
  const tensors: Tensor[] = []
  const make = (count: number, dtype?: DType) => {
    const data = new Float32Array(count)
    for (let at = 0; at < count; at += some.length) data.set(some.subarray(0, count - at), at)
    const tensor = Tensor.from(device, data, [count], dtype)
    tensors.push(tensor)
    return tensor
  }
  const matrix = (place: Place, rows: number, columns: number): Matrix => {
    const { dtype, offset = 0, rowStride, transposed, stride0 = 0, stride1 = 0 } = place
    const [down, across] = transposed ? [columns, rows] : [rows, columns]
    const count = offset + (batch0 - 1) * stride0 + (batch1 - 1) * stride1 + (down - 1) * rowStride + across
    return { ...place, tensor: make(count, dtype) }
  }
  try {
    const matrices = { a: matrix(blank.a, m, k), b: matrix(blank.b, k, n), c: matrix(blank.c, m, n) }
    return { part: { ...blank, ...matrices, bias: blank.bias ? make(blank.batch0 * blank.n) : null, after: null }, tensors }
  } catch (thrown) {
    for (const tensor of tensors) tensor.dispose()
    throw thrown
  }
}
