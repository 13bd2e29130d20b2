import type { Tensor } from '../graph'
import { activation } from './activation'

/**
 * y = x · Φ(x) with the normal distribution's Φ (transformers' "gelu"), or its tanh form ("gelu_new",
 * "gelu_pytorch_tanh"). Any shape, f32 or f16. Backward: dx = dy · (Φ(x) + x·φ(x)).
 */
export function gelu(x: Tensor, options: { approximate?: 'none' | 'tanh' } = {}): Tensor {
  return activation(options.approximate === 'tanh' ? 'geluTanh' : 'gelu', x)
}
