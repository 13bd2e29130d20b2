import { elementwise, type Tensor, tape } from '../graph'
import { checkBinary, like, reduceTo } from './binary'

/** y = a − b; b has a's shape or is one row [last dimension]. f32. Backward: da = dy, db = −dy (summed over rows). */
export function sub(a: Tensor, b: Tensor): Tensor {
  checkBinary('sub', a, b)
  const y = elementwise('sub', 'sub', like(a, 'sub'), [a, b])
  const negate = (t: Tensor) => elementwise('sub.db', 'scale', like(t, 'sub.db'), [t], -1)
  return tape('sub', [a, b], y, (dy, [, needB]) => [dy, needB ? negate(reduceTo('sub.db', dy, b)) : null])
}
