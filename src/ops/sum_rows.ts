import shader from '../../shaders/reduce.wgsl'
import { f32 } from '../gpu'
import { elementwise, rowRanges, Tensor } from '../graph'

const perPart = 64

/**
 * Column sums over all rows: x [..., columns] to [columns]. Rows are summed in parts of 64, the parts in order, until
 * one row is left: the order depends on nothing but the shape.
 */
export function sumRows(op: string, x: Tensor, columns: number): Tensor {
  const { device } = x
  const rows = x.size / columns
  if (rows === 0) return elementwise(op, 'fill', Tensor.empty(device, [columns], op), [], 0)
  const parts = Math.ceil(rows / perPart)
  const out = Tensor.empty(device, [parts, columns], op)
  // Ranges are whole parts: 64 rows are aligned whatever their length.
  for (const range of rowRanges(device, op, parts, perPart * columns * 4, columns * 4)) {
    const count = Math.min(range.count * perPart, rows - range.start * perPart)
    device.run({
      op,
      shader,
      constants: { FORM: 0 },
      bind: [out.bind(range.start * columns, range.count * columns), x.bind(range.start * perPart * columns, count * columns)],
      words: [count, columns, f32(1)],
      groups: range.count * Math.ceil(columns / 64),
      flops: count * columns,
    })
  }
  return parts === 1 ? out.view([columns]) : sumRows(op, out, columns)
}
