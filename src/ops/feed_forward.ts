import { complain } from '../gpu'
import { Tensor, tape } from '../graph'
import { activate, activateBackward } from './activation'
import { type GeluOptions, geluForm } from './gelu'
import { gradInput, gradWeight, product } from './linear'
import { sumRows } from './sum_rows'

/** W [out, in] and b [out] of a linear layer. */
interface Layer {
  weight: Tensor
  bias: Tensor
}

/**
 * y = W2 · gelu(W1 · x + b1) + b2 (Vaswani et al. 2017, eq. 2, with gelu): x [..., h], W1 [f, h], W2 [h, f], y [..., h]. Where the
 * products' kernels can, gelu and its slope are their epilogues. x and weights are f32 or f16 each, biases and gradients f32.
 *
 * Backward: z = W1·x + b1 is kept; dz = (dy·W2) ∘ gelu'(z), dx = dz·W1, dW1 = dzᵀ·x, dW2 = dyᵀ·gelu(z), db1 and db2 are the sums
 * of the rows of dz and dy.
 */
export function feedForward(x: Tensor, up: Layer, down: Layer, options: GeluOptions = {}): Tensor {
  const form = geluForm(options)
  const width = up.weight.shape[0]
  if (down.weight.shape[1] !== width) complain('feedForward', 'the second weight', `[out, ${width}]`, `[${down.weight.shape}]`)
  const wide = Tensor.empty(x.device, [...x.shape.slice(0, -1), width], form, x.dtype)
  const z = product(x, up.weight, up.bias, (z) => ({ form, slope: false, z: wide, pass: () => activate(form, z, wide) }))
  const y = product(wide, down.weight, down.bias)

  const gradWide = (dy: Tensor) => {
    let dz: Tensor | undefined
    const made = gradInput(dy, wide, down.weight, null, (d) => ({ form, slope: true, z, pass: () => (dz = activateBackward(form, z, d)) }))
    return dz ?? made
  }
  return tape('feedForward', [x, up.weight, up.bias, down.weight, down.bias], y, (dy, [needX, ...needs], into) => {
    const [needW1, needB1, needW2, needB2] = needs
    // First what reads gelu(z), which nothing keeps then.
    const dw2 = needW2 ? gradWeight(dy, wide, down.weight) : null
    const db2 = needB2 ? sumRows('linear.db', dy, down.bias.size) : null
    const dz = needX || needW1 || needB1 ? gradWide(dy) : null
    // Last, as dx may take dy's place.
    const dw1 = needW1 && dz ? gradWeight(dz, x, up.weight) : null
    const db1 = needB1 && dz ? sumRows('linear.db', dz, width) : null
    return [needX && dz ? gradInput(dz, x, up.weight, into(0, true)) : null, dw1, db1, dw2, db2]
  })
}
