import { complain, GpuError } from '../gpu'
import { Tensor } from '../graph'
import { launch } from './gemm_kernels'
import { type After, extent, type Gemm, type Matrix, operands, type Part } from './gemm_operands'

export type { After, Gemm, Matrix }

/**
 * C = alpha · A·B (+ bias) (+ C), then what is to come `after`; batched, with any operand transposed in memory. A, B and C are f32
 * or f16 each, sums f32. Chooses the kernel; what exceeds a binding is cut into parts along batches, rows, or k (then summed in order).
 */
export function gemm(g: Gemm): void {
  if (g.bias && g.bias.dtype !== 'f32') complain(g.op, 'bias', 'f32', g.bias.dtype)
  const part: Part = { batch0: 1, batch1: 1, alpha: 1, accumulate: false, bias: null, after: null, ...g }
  split(part)
}

function split(g: Part): void {
  if (g.m === 0 || g.n === 0 || g.batch0 * g.batch1 === 0) return
  if (g.k === 0) throw new GpuError(`${g.op}: nothing to sum over: the inner dimension is 0`)
  const { maxStorageBufferBindingSize: max, minStorageBufferOffsetAlignment: align } = g.c.tensor.device.limits
  const tooLarge = operands(g).find((o) => extent(g, o).count * o.matrix.tensor.width + align > max)
  if (!tooLarge) return launch(g)
  if (g.after) {
    split({ ...g, after: null })
    return g.after.pass()
  }
  if (g.batch0 > 1) return halve(g, 'batch0')
  if (g.batch1 > 1 && !isInterleaved(g)) return halve(g, 'batch1')
  if (tooLarge.rowCount > 1) return halve(g, tooLarge.rows)
  if (g.batch1 > 1) return halve(g, 'batch1')
  throw new GpuError(`${g.op}: one row of ${tooLarge.columns} numbers exceeds this device's binding of ${max} bytes`)
}

// Heads lie side by side in each row: taking fewer of them does not make the range shorter.
const isInterleaved = (g: Part) => [g.a, g.b, g.c].some((x) => (x.stride1 ?? 0) > 0 && (x.stride1 ?? 0) < x.rowStride)

/** What follows in memory. */
const after = ({ device, storage, shape, dtype, offset }: Tensor, count: number) =>
  new Tensor(device, storage, shape, dtype, offset + count)

function halve(g: Part, along: 'm' | 'n' | 'k' | 'batch0' | 'batch1'): void {
  const size = g[along]
  const first = size > 8 ? Math.ceil(size / 8) * 4 : Math.ceil(size / 2)
  const move = (x: Matrix, stride: number): Matrix => ({ ...x, offset: (x.offset ?? 0) + first * stride })
  const rest: Part = { ...g, [along]: size - first }
  if (along === 'batch0' || along === 'batch1') {
    const key = along === 'batch0' ? 'stride0' : 'stride1'
    for (const name of ['a', 'b', 'c'] as const) rest[name] = move(g[name], g[name][key] ?? 0)
    if (g.bias && along === 'batch0') rest.bias = after(g.bias, first * g.n)
  } else if (along === 'm') {
    rest.a = move(g.a, g.a.transposed ? 1 : g.a.rowStride)
    rest.c = move(g.c, g.c.rowStride)
  } else if (along === 'n') {
    rest.b = move(g.b, g.b.transposed ? g.b.rowStride : 1)
    rest.c = move(g.c, 1)
    if (g.bias) rest.bias = after(g.bias, first)
  } else {
    rest.a = move(g.a, g.a.transposed ? g.a.rowStride : 1)
    rest.b = move(g.b, g.b.transposed ? 1 : g.b.rowStride)
    rest.accumulate = true
    rest.bias = null
  }
  split({ ...g, [along]: first })
  split(rest)
}
