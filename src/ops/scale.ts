import shader from '../../shaders/broadcast.wgsl'
import { f32 } from '../gpu'
import { elementwise, rowRanges, Tensor, tape } from '../graph'

/** y = s·x for a number s. Any shape, f32 or f16. Backward: dx = s·dy. */
export function scale(x: Tensor, s: number): Tensor {
  const run = (t: Tensor) => elementwise('scale', 'scale', Tensor.empty(t.device, t.shape, 'scale', t.dtype), [t], s)
  return tape('scale', [x], run(x), (dy) => [run(dy)])
}

/** A tensor full of scale · s[0], where s is a scalar on the GPU. */
export function broadcastScalar(op: string, s: Tensor, shape: readonly number[], factor: number): Tensor {
  const out = Tensor.empty(s.device, shape, op)
  for (const { start, count } of rowRanges(s.device, op, out.size, 4))
    s.device.run({ op, shader, bind: [out.bind(start, count), s.bind()], words: [count, f32(factor)], groups: Math.ceil(count / 64) })
  return out
}
