import shader from '../../shaders/activation.wgsl'
import { rowRanges, Tensor, tape } from '../graph'

/** The functions of activation.wgsl, in the order of its FORMs. */
const forms = ['gelu', 'geluTanh', 'tanh', 'relu'] as const

/** y = f(x) and its rule for one of the forms: the body of gelu.ts, tanh.ts and relu.ts. */
export function activation(form: (typeof forms)[number], x: Tensor): Tensor {
  const y = run(form, [x])
  return tape(form, [x], y, (dy) => [run(`${form}.backward`, [x, dy])])
}

function run(op: string, inputs: Tensor[]): Tensor {
  const [x] = inputs
  const out = Tensor.empty(x.device, x.shape, op)
  // vec4s where the number of elements is a multiple of 4.
  const width = x.size % 4 ? 1 : 4
  const FORM = forms.indexOf(op.split('.')[0] as (typeof forms)[number])
  const constants = { FORM, BACKWARD: inputs.length > 1, Cell: width === 4 ? 'vec4f' : 'f32', PER_THREAD: 4 / width }
  for (const { start, count } of rowRanges(x.device, op, x.size, 4))
    x.device.run({
      op,
      shader,
      constants,
      bind: [out, ...inputs].map((t) => t.bind(start, count)),
      words: [count / width],
      groups: Math.ceil(count / 256),
      flops: 30 * count,
    })
  return out
}
