import shader from '../../shaders/elementwise.wgsl'
import { f32 } from '../gpu'
import { cellsOf, halves, rowRanges } from './ranges'
import { Tensor } from './tensor'

/** What elementwise.wgsl does to an element: the names of its FORMs, in order. */
const forms = ['add', 'sub', 'mul', 'scale', 'fill', 'copy', 'addTo'] as const

/**
 * out = a FORM b element by element, or FORM(a, scalar); addTo: out += a. Where b is smaller it is one row, repeated: its size is the
 * last dimension of a. out and a have one dtype, f32 or f16, b either. Large tensors take several dispatches.
 */
export function elementwise(op: string, form: (typeof forms)[number], out: Tensor, inputs: Tensor[], scalar = 0): Tensor {
  const { device } = out
  const period = inputs[1]?.size ?? out.size
  const broadcast = period < out.size
  const row = broadcast ? period : 1
  const { width, share, constants: cells } = cellsOf(device, broadcast ? row : out.size)
  const types = halves({ A: out, ...(inputs[1] && { B: inputs[1] }) }, width)
  const constants = { ...cells, ...types, FORM: forms.indexOf(form), BROADCAST: broadcast }
  for (const { start, count } of rowRanges(device, op, out.size / row, ...[out, ...inputs].map((t) => row * t.width)))
    device.run({
      op,
      shader,
      constants,
      bind: [out, ...inputs].map((t) => (t.size < out.size ? t.bind() : t.bind(start * row, count * row))),
      words: [(count * row) / share, f32(scalar), period / share],
      groups: Math.ceil((count * row) / share / 64),
      flops: count * row,
    })
  return out
}

/** a + b, for gradients that several consumers send back. */
export function accumulate(a: Tensor, b: Tensor): Tensor {
  return elementwise('accumulate', 'add', Tensor.empty(a.device, a.shape, 'accumulate'), [a, b])
}

/** Ones in the shape of `like`: the gradient of a scalar by itself. */
export function ones(like: Tensor): Tensor {
  return elementwise('ones', 'fill', Tensor.empty(like.device, like.shape, 'ones'), [], 1)
}
