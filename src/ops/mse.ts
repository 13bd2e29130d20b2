import { complain, f32 } from '../gpu'
import { rowRanges, Tensor, tape, wantF32 } from '../graph'
import { reduceAll } from './sum'

// Only regressions take it: other pages never load it.
const shader = () => import('../../shaders/mse.wgsl')

/**
 * Mean squared error over all elements: prediction and target of one size (shapes may differ: [n, 1] and [n]), result
 * a scalar. f32. Backward: da = dy·2/n·(a − t); the target gets none.
 */
export function mse(prediction: Tensor, target: Tensor): Tensor {
  const { device, size } = prediction
  if (target.size !== size) complain('mse', 'target', `${size} numbers`, `[${target.shape}]`)
  wantF32('mse', { prediction, target })
  const run = (op: string, form: number, more: Tensor[]) => {
    const out = Tensor.empty(device, prediction.shape, op)
    for (const { start, count } of rowRanges(device, op, size, 4))
      device.run({
        op,
        shader,
        constants: { FORM: form },
        bind: [...[out, prediction, target].map((t) => t.bind(start, count)), ...more.map((t) => t.bind())],
        words: [count, f32(2 / size)],
        groups: Math.ceil(count / 64),
        flops: 3 * count,
      })
    return out
  }
  const loss = reduceAll('mse', run('mse', 0, []), 1 / size)
  return tape('mse', [prediction], loss, (dy) => [run('mse.backward', 1, [dy])])
}
