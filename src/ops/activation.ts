import shader from '../../shaders/activation.wgsl'
import { cellsOf, halves, rowRanges, Tensor, tape } from '../graph'

/** The functions of activation.wgsl, in the order of its FORMs. */
const forms = ['gelu', 'geluTanh', 'tanh', 'relu'] as const
type Form = (typeof forms)[number]

/** Of one number. */
export const geluFlops = 30

/** y = f(x) and its rule for one of the forms: the body of gelu.ts, tanh.ts and relu.ts. */
export function activation(form: Form, x: Tensor): Tensor {
  const y = activate(form, x, Tensor.empty(x.device, x.shape, form, x.dtype))
  return tape(form, [x], y, (dy) => [activateBackward(form, x, dy)])
}

/** f(x), written to y. */
export const activate = (form: Form, x: Tensor, y: Tensor): Tensor => run(form, form, [y, x])

/** dy · f'(x) */
export function activateBackward(form: Form, x: Tensor, dy: Tensor): Tensor {
  const op = `${form}.backward`
  return run(op, form, [Tensor.empty(x.device, x.shape, op), x, dy])
}

function run(op: string, form: Form, tensors: Tensor[]): Tensor {
  const [out, x] = tensors
  const BACKWARD = tensors.length > 2
  const { width, share, constants: cells } = cellsOf(x.device, x.size)
  const constants = { ...cells, ...halves({ X: x }, width), FORM: forms.indexOf(form), BACKWARD }
  for (const { start, count } of rowRanges(x.device, op, x.size, 4))
    x.device.run({
      op,
      shader,
      constants,
      bind: tensors.map((t) => t.bind(start, count)),
      words: [count / share],
      groups: Math.ceil(count / share / 64),
      flops: geluFlops * count,
    })
  return out
}
