import { elementwise, type Tensor, tape } from '../graph'
import { checkBinary, like, reduceTo } from './binary'

/** y = a·b element by element; b has a's shape or is one row [last dimension]. f32. Backward: da = dy·b, db = Σ_rows dy·a. */
export function mul(a: Tensor, b: Tensor): Tensor {
  checkBinary('mul', a, b)
  const times = (x: Tensor, y: Tensor, op: string) => elementwise(op, 'mul', like(x, op), [x, y])
  return tape('mul', [a, b], times(a, b, 'mul'), (dy, [needA, needB]) => [
    needA ? times(dy, b, 'mul.da') : null,
    needB ? reduceTo('mul.db', times(dy, a, 'mul.db'), b) : null,
  ])
}
