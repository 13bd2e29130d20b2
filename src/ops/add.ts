import { elementwise, type Tensor, tape } from '../graph'
import { checkBinary, like, reduceTo } from './binary'

/** y = a + b; b has a's shape or is one row [last dimension]. f32. Backward: da = dy, db = dy (summed over rows). */
export function add(a: Tensor, b: Tensor): Tensor {
  checkBinary('add', a, b)
  const y = elementwise('add', 'add', like(a, 'add'), [a, b])
  return tape('add', [a, b], y, (dy, [, needB]) => [dy, needB ? reduceTo('add.db', dy, b) : null])
}
