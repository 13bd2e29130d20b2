import shader from '../../shaders/reduce.wgsl'
import { type Device, f32, GpuError } from '../gpu'
import { elementwise, halves, Tensor } from '../graph'

const mostPerPart = 64

/**
 * Column sums over all rows: x [..., columns], f32 or f16, to [columns] f32. Rows are summed in parts of 64 (fewer where so many exceed a
 * binding), the parts in order, until one row is left: the order depends on the shape and the device's limits alone.
 */
export function sumRows(op: string, x: Tensor, columns: number): Tensor {
  const { device } = x
  const rows = x.size / columns
  if (rows === 0) return elementwise(op, 'fill', Tensor.empty(device, [columns], op), [], 0)
  const perPart = Math.min(mostPerPart, roomInRows(device, op, columns))
  const out = sumParts(op, x, columns, perPart)
  return out.size === columns ? out.view([columns]) : sumRows(op, out, columns)
}

/** Sums of every `perPart` consecutive rows (the last part may have fewer), each in order: x [.., columns] to [parts, columns]. */
export function sumParts(op: string, x: Tensor, columns: number, perPart: number): Tensor {
  const { device } = x
  const rows = x.size / columns
  const parts = Math.ceil(rows / perPart)
  const out = Tensor.empty(device, [parts, columns], op)
  const step = Math.floor(roomInRows(device, op, columns) / perPart)
  for (let part = 0; part < parts; part += step) {
    const some = Math.min(step, parts - part)
    const count = Math.min(some * perPart, rows - part * perPart)
    const to = out.bindLoose(part * columns, some * columns)
    const from = x.bindLoose(part * perPart * columns, count * columns)
    device.run({
      op,
      shader,
      constants: { FORM: 0, PER_PART: perPart, ...halves({ X: x }) },
      bind: [to.binding, from.binding],
      words: [count, columns, f32(1), from.skip, to.skip],
      groups: some * Math.ceil(columns / 64),
      flops: count * columns,
    })
  }
  return out
}

/** How many rows one binding holds, wherever they begin. */
export function roomInRows(device: Device, op: string, columns: number): number {
  const { maxStorageBufferBindingSize: max, minStorageBufferOffsetAlignment: align } = device.limits
  const room = Math.floor((max - align) / (columns * 4))
  if (room < 2) throw new GpuError(`${op}: two rows of ${columns * 4} bytes exceed this device's binding of ${max} bytes`)
  return room
}
