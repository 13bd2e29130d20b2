import type { Tensor } from '../graph'
import { activation } from './activation'

/** y = max(x, 0). Any shape, f32 or f16. Backward: dx = dy where x > 0. */
export function relu(x: Tensor): Tensor {
  return activation('relu', x)
}
