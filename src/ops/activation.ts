import shader from '../../shaders/activation.wgsl'
import { cellsOf, halves, rowRanges, Tensor, tape } from '../graph'

/** The functions of activation.wgsl, in the order of its FORMs. */
const forms = ['gelu', 'geluTanh', 'tanh', 'relu'] as const

/** y = f(x) and its rule for one of the forms: the body of gelu.ts, tanh.ts and relu.ts. */
export function activation(form: (typeof forms)[number], x: Tensor): Tensor {
  const y = run(form, [x])
  return tape(form, [x], y, (dy) => [run(`${form}.backward`, [x, dy])])
}

function run(op: string, inputs: Tensor[]): Tensor {
  const [x] = inputs
  const BACKWARD = inputs.length > 1
  const out = Tensor.empty(x.device, x.shape, op, BACKWARD ? 'f32' : x.dtype)
  const { width, perGroup, constants: cells } = cellsOf(x.device, x.size)
  const FORM = forms.indexOf(op.split('.')[0] as (typeof forms)[number])
  const constants = { ...cells, ...halves({ X: x }, width), FORM, BACKWARD }
  for (const { start, count } of rowRanges(x.device, op, x.size, 4))
    x.device.run({
      op,
      shader,
      constants,
      bind: [out, ...inputs].map((t) => t.bind(start, count)),
      words: [count / width],
      groups: Math.ceil(count / perGroup),
      flops: 30 * count,
    })
  return out
}
