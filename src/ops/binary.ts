import { complain } from '../gpu'
import { Tensor } from '../graph'
import { sumRows } from './sum_rows'

/** Checks that b has a's shape or is one row of it, [last dimension of a]. */
export function checkBinary(op: string, a: Tensor, b: Tensor): void {
  const same = `${a.shape}` === `${b.shape}`
  const row = b.shape.length === 1 && b.size === a.shape.at(-1)
  if (!same && !row) complain(op, 'b', `[${a.shape}] or one row [${a.shape.at(-1)}]`, `[${b.shape}]`)
}

/** The gradient of b: as it is, or summed over the rows that b was repeated for. */
export function reduceTo(op: string, gradient: Tensor, b: Tensor): Tensor {
  return gradient.size === b.size ? gradient.view(b.shape) : sumRows(op, gradient, b.size)
}

export const like = (t: Tensor, op: string) => Tensor.empty(t.device, t.shape, op, t.dtype)
