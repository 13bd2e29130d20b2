import type { Tensor } from '../graph'
import { activation } from './activation'

/** y = tanh(x), saturating without overflow. Any shape, f32 or f16. Backward: dx = dy · (1 − y²). */
export function tanh(x: Tensor): Tensor {
  return activation('tanh', x)
}
