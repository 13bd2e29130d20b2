import { complain } from '../gpu'
import { Tensor, tape } from '../graph'
import { gemm } from './gemm'
import { sumRows } from './sum_rows'

/**
 * y = x · Wᵀ (+ b): x [..., in], W [out, in] as PyTorch stores it, b [out], y [..., out].
 * x and W are f32 or f16 each, y is as x; b and all gradients are f32.
 *
 * Backward: dx = dy · W, dW = dyᵀ · x, db = Σ_rows dy. A frozen W costs no dW.
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  return linears(x, [weight], [bias])[0]
}

/**
 * `linear` of one x by several layers of one shape, e.g. query, key and value: one product where their weights lie evenly
 * spaced in memory and their biases side by side, else one each.
 */
export function linears(x: Tensor, weights: Tensor[], biases: (Tensor | null)[]): Tensor[] {
  const [weight, next = weight] = weights
  const [bias] = biases
  const [outputs, inputs] = weight.shape
  const k = x.shape.at(-1) ?? 0
  if (weight.shape.length !== 2) complain('linear', 'weight', '[out, in]', `[${weight.shape}]`)
  if (k !== inputs) complain('linear', 'the last dimension of x', `${inputs}`, `[${x.shape}]`)
  if (bias && bias.size !== outputs) complain('linear', 'bias', `[${outputs}]`, `[${bias.shape}]`)
  const stride0 = next.offset - weight.offset
  if (stride0 < 0 || !inSteps(weights, stride0) || (biases.some(Boolean) && !inSteps(biases, outputs)))
    return weights.map((each, i) => linear(x, each, biases[i]))
  const rows = x.size / k
  const shape = [...x.shape.slice(0, -1), outputs]
  // Each begins where it can be bound alone.
  const aligned = 256 / x.width
  const apart = Math.ceil((rows * outputs) / aligned) * aligned
  const y = Tensor.empty(x.device, [(weights.length - 1) * apart + rows * outputs], 'linear', x.dtype)
  gemm({
    op: 'linear',
    a: { tensor: x, rowStride: k },
    b: { tensor: weight, rowStride: k, transposed: true, stride0 },
    c: { tensor: y, rowStride: outputs, stride0: apart },
    m: rows,
    n: outputs,
    k,
    batch0: weights.length,
    bias,
  })
  return weights.map((each, i) => onTape(x, each, biases[i], y.view(shape, i * apart)))
}

/** Whether tensors of one shape lie in one storage, `step` numbers from each to the next. */
function inSteps(tensors: (Tensor | null)[], step: number): boolean {
  const [first] = tensors
  return tensors.every(
    (t, i) => t && first && t.storage === first.storage && t.offset === first.offset + i * step && `${t.shape}` === `${first.shape}`,
  )
}

function onTape(x: Tensor, weight: Tensor, bias: Tensor | null, y: Tensor): Tensor {
  return tape('linear', bias ? [x, weight, bias] : [x, weight], y, (dy, [needX, needW, needB], into) => [
    needX ? gradInput(dy, x, weight, into(0)) : null,
    needW ? gradWeight(dy, x, weight) : null,
    needB && bias ? sumRows('linear.db', dy, bias.size) : null,
  ])
}

/** dy · W, added to what `into` holds. */
export function gradInput(dy: Tensor, x: Tensor, weight: Tensor, into: Tensor | null): Tensor {
  const [outputs, inputs] = weight.shape
  const dx = into ?? Tensor.empty(x.device, x.shape, 'linear.dx')
  gemm({
    op: 'linear.dx',
    a: { tensor: dy, rowStride: outputs },
    b: { tensor: weight, rowStride: inputs },
    c: { tensor: dx, rowStride: inputs },
    m: x.size / inputs,
    n: inputs,
    k: outputs,
    accumulate: into !== null,
  })
  return dx
}

function gradWeight(dy: Tensor, x: Tensor, weight: Tensor): Tensor {
  const [outputs, inputs] = weight.shape
  const dw = Tensor.empty(x.device, weight.shape, 'linear.dw')
  gemm({
    op: 'linear.dw',
    a: { tensor: dy, rowStride: outputs, transposed: true },
    b: { tensor: x, rowStride: inputs },
    c: { tensor: dw, rowStride: inputs },
    m: outputs,
    n: inputs,
    k: x.size / inputs,
  })
  return dw
}
