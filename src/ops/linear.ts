import { complain } from '../gpu'
import { Tensor, tape } from '../graph'
import { type After, gemm } from './gemm'
import { sumRows } from './sum_rows'

/**
 * y = x · Wᵀ (+ b): x [..., in], W [out, in] as PyTorch stores it, b [out], y [..., out].
 * x and W are f32 or f16 each, y is as x; b and all gradients are f32.
 *
 * Backward: dx = dy · W, dW = dyᵀ · x, db = Σ_rows dy. A frozen W costs no dW.
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  const y = product(x, weight, bias)
  return tape('linear', bias ? [x, weight, bias] : [x, weight], y, (dy, [needX, needW, needB], into) => [
    needX ? gradInput(dy, x, weight, into(0)) : null,
    needW ? gradWeight(dy, x, weight) : null,
    needB && bias ? sumRows('linear.db', dy, bias.size) : null,
  ])
}

/**
 * `linear` of one x by several layers of one shape, e.g. query, key and value, as one product forward and one backward: their
 * outputs lie side by side in the rows of y [..., layers · out]. null where their weights or biases do not follow each other in memory.
 */
export function linears(x: Tensor, weights: Tensor[], biases: (Tensor | null)[]): Tensor | null {
  const weight = joined(weights)
  const bias = joined(biases)
  if (!weight || (!bias && biases.some(Boolean))) return null
  const y = product(x, weight, bias)
  const count = weights.length
  return tape('linear', [x, ...weights, ...(bias ? (biases as Tensor[]) : [])], y, (dy, [needX, ...needs], into) => [
    needX ? gradInput(dy, x, weight, into(0)) : null,
    ...(needs.slice(0, count).some(Boolean) ? parts(gradWeight(dy, x, weight), count) : weights.map(() => null)),
    ...(needs.slice(count).some(Boolean) ? parts(sumRows('linear.db', dy, weight.shape[0]), count) : []),
  ])
}

/** Tensors of one shape that follow each other in memory as one that is longer; else null. */
export function joined(tensors: (Tensor | null)[]): Tensor | null {
  const [first] = tensors
  if (!first) return null
  const { device, storage, shape, dtype, offset, size } = first
  const follows = (t: Tensor | null, i: number) => t?.storage === storage && t.offset === offset + i * size && `${t.shape}` === `${shape}`
  return tensors.every(follows) ? new Tensor(device, storage, [tensors.length * shape[0], ...shape.slice(1)], dtype, offset) : null
}

/** The tensors that `joined` made one of. */
export function parts(whole: Tensor, count: number): Tensor[] {
  const shape = [whole.shape[0] / count, ...whole.shape.slice(1)]
  return Array.from({ length: count }, (_, i) => whole.view(shape, (i * whole.size) / count))
}

/** x · Wᵀ (+ b), and what is to come `after` it. */
export function product(x: Tensor, weight: Tensor, bias: Tensor | null, after?: (y: Tensor) => After): Tensor {
  const [outputs, inputs] = weight.shape
  const k = x.shape.at(-1) ?? 0
  if (weight.shape.length !== 2) complain('linear', 'weight', '[out, in]', `[${weight.shape}]`)
  if (k !== inputs) complain('linear', 'the last dimension of x', `${inputs}`, `[${x.shape}]`)
  if (bias && bias.size !== outputs) complain('linear', 'bias', `[${outputs}]`, `[${bias.shape}]`)
  const y = Tensor.empty(x.device, [...x.shape.slice(0, -1), outputs], 'linear', x.dtype)
  gemm({
    op: 'linear',
    a: { tensor: x, rowStride: k },
    b: { tensor: weight, rowStride: k, transposed: true },
    c: { tensor: y, rowStride: outputs },
    m: x.size / k,
    n: outputs,
    k,
    bias,
    after: after?.(y),
  })
  return y
}

/** dy · W, added to what `into` holds. */
export function gradInput(dy: Tensor, x: Tensor, weight: Tensor, into: Tensor | null, after?: (dx: Tensor) => After): Tensor {
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
    after: after?.(dx),
  })
  return dx
}

/** dyᵀ · x */
export function gradWeight(dy: Tensor, x: Tensor, weight: Tensor): Tensor {
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
