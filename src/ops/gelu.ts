import type { Tensor } from '../graph'
import { activation } from './activation'

/** As PyTorch's `gelu` takes them. */
export interface GeluOptions {
  /** `tanh`: the form by tanh. Default: none, which is exact. */
  approximate?: 'none' | 'tanh'
}

export const geluForm = ({ approximate }: GeluOptions) => (approximate === 'tanh' ? 'geluTanh' : 'gelu')

/**
 * y = x · Φ(x) with the normal distribution's Φ (transformers' "gelu"), or its tanh form ("gelu_new",
 * "gelu_pytorch_tanh"). Any shape, f32 or f16. Backward: dx = dy · (Φ(x) + x·φ(x)).
 */
export function gelu(x: Tensor, options: GeluOptions = {}): Tensor {
  return activation(geluForm(options), x)
}
