import type { Device } from '../gpu'
import { complain, GpuError } from '../gpu'
import type { Tensor } from './tensor'

export interface Range {
  start: number
  count: number
}

/**
 * Cuts `rows` into ranges so that every operand's part (`rowBytes` each) fits a binding and begins at an aligned offset.
 * One range unless a tensor is larger than the device can bind.
 */
export function rowRanges(device: Device, op: string, rows: number, ...rowBytes: number[]): Range[] {
  const { maxStorageBufferBindingSize: max, minStorageBufferOffsetAlignment: align } = device.limits
  const widest = Math.max(...rowBytes)
  if (rows * widest <= max) return [{ start: 0, count: rows }]
  // The smallest number of rows whose bytes are a multiple of the alignment for every operand.
  const unit = Math.max(...rowBytes.map((bytes) => align / gcd(align, bytes)))
  const count = Math.floor(max / widest / unit) * unit
  if (count === 0) throw new GpuError(`${op}: ${unit} rows of ${widest} bytes exceed this device's binding of ${max} bytes`)
  return Array.from({ length: Math.ceil(rows / count) }, (_, i) => ({ start: i * count, count: Math.min(count, rows - i * count) }))
}

/**
 * The constants by which a kernel reads those of its tensors that are f16, in cells of `width`, e.g. {X: 'vec4h'}: none for f32,
 * which is what the aliases of these names are in the file.
 */
export function halves(tensors: Record<string, Tensor>, width = 1): Record<string, string> {
  const found = Object.entries(tensors).filter(([, { dtype }]) => dtype === 'f16')
  return Object.fromEntries(found.map(([alias]) => [alias, width === 4 ? 'vec4h' : 'f16']))
}

/** For what has no form for half floats. */
export function wantF32(op: string, tensors: Record<string, Tensor>): void {
  for (const [name, { dtype }] of Object.entries(tensors)) if (dtype !== 'f32') complain(op, name, 'f32', dtype)
}

/**
 * How element-by-element kernels read `count` numbers: vec4s where it is a multiple of 4; on software adapters, where starting a
 * thread and each access cost more than the work, four of them as one value where it is one of 16. `share`: numbers of a thread.
 */
export function cellsOf(device: Device, count: number): { width: number; share: number; constants: { Cell: string; PER_THREAD: number } } {
  const width = count % 4 ? 1 : 4
  const PER_THREAD = device.software && count % 16 === 0 ? 4 : 1
  return { width, share: width * PER_THREAD, constants: { Cell: width === 4 ? 'vec4f' : 'f32', PER_THREAD } }
}

const gcd = (a: number, b: number): number => (b ? gcd(b, a % b) : a)
