import { complain } from '../gpu'
import { Tensor, tape } from '../graph'
import { gemm } from './gemm'
import { sumRows } from './sum_rows'

/**
 * y = x · Wᵀ (+ b): x [..., in], W [out, in] as PyTorch stores it, b [out], y [..., out]. f32.
 *
 * Backward: dx = dy · W, dW = dyᵀ · x, db = Σ_rows dy. A frozen W costs no dW.
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  const [outputs, inputs] = weight.shape
  const k = x.shape.at(-1) ?? 0
  if (weight.shape.length !== 2) complain('linear', 'weight', '[out, in]', `[${weight.shape}]`)
  if (k !== inputs) complain('linear', 'the last dimension of x', `${inputs}`, `[${x.shape}]`)
  if (bias && bias.size !== outputs) complain('linear', 'bias', `[${outputs}]`, `[${bias.shape}]`)
  const rows = x.size / k
  const y = Tensor.empty(x.device, [...x.shape.slice(0, -1), outputs], 'linear')
  gemm({
    op: 'linear',
    a: { tensor: x, rowStride: k },
    b: { tensor: weight, rowStride: k, transposed: true },
    c: { tensor: y, rowStride: outputs },
    m: rows,
    n: outputs,
    k,
    bias,
  })
  return tape('linear', bias ? [x, weight, bias] : [x, weight], y, (dy, [needX, needW, needB], into) => [
    needX ? gradInput(dy, x, weight, into(0)) : null,
    needW ? gradWeight(dy, x, weight) : null,
    needB && bias ? sumRows('linear.db', dy, outputs) : null,
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
