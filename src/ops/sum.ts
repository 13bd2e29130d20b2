import shader from '../../shaders/reduce.wgsl'
import { f32 } from '../gpu'
import { halves, rowRanges, Tensor, tape } from '../graph'
import { broadcastScalar } from './scale'

const perGroup = 4096

/** Σ x over all elements, a scalar of shape []. x f32 or f16, the sum f32. Fixed order: trees over 4,096 neighbours. Backward: dx = dy everywhere. */
export function sum(x: Tensor): Tensor {
  return total('sum', x, 1)
}

/** Σ x / n over all elements, a scalar of shape []. Backward: dx = dy / n everywhere. */
export function mean(x: Tensor): Tensor {
  return total('mean', x, 1 / x.size)
}

function total(op: string, x: Tensor, scale: number): Tensor {
  const y = reduceAll(op, x, scale)
  return tape(op, [x], y, (dy) => [broadcastScalar(`${op}.backward`, dy, x.shape, scale)])
}

/** scale · Σ x as a dispatch per level of the tree, without the tape. */
export function reduceAll(op: string, x: Tensor, scale: number): Tensor {
  const { device } = x
  const groups = Math.max(1, Math.ceil(x.size / perGroup))
  const out = Tensor.empty(device, groups === 1 ? [] : [groups], op)
  for (const { start, count } of rowRanges(device, op, groups, perGroup * x.width)) {
    const elements = Math.min(count * perGroup, x.size - start * perGroup)
    const to = out.bindLoose(start, count)
    device.run({
      op,
      shader,
      constants: { FORM: 1, ...halves({ X: x }) },
      bind: [to.binding, x.bind(start * perGroup, elements)],
      words: [elements, 0, f32(groups === 1 ? scale : 1), 0, to.skip],
      groups: count,
      flops: elements,
    })
  }
  return groups === 1 ? out : reduceAll(op, out, scale)
}
