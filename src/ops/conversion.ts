import { complain } from '../gpu'
import { Tensor, tape } from '../graph'
import { gemm, type Matrix } from './gemm'
import { roomInRows, sumParts, sumRows } from './sum_rows'

/** How A comes from W0: `code` as the authors' program (Θa·W0ᵀ, square W0), `rectangular` Θa·W0, any shape. */
export type ConversionForm = 'code' | 'rectangular'

/** Where the layers' A [r, in] and B [out, r] lie in the packed result, in elements, aligned for binding. */
export interface PackedLayout {
  /** A_l begins at l · strideA, B_l at startB + l · strideB. */
  strideA: number
  strideB: number
  startB: number
  size: number
}

const align = (elements: number) => Math.ceil(elements / 64) * 64

/** The layout of `convert`'s result: A of all layers, then B of all layers, each padded to 256 bytes. */
export function packedLayout(layers: number, r: number, outputs: number, inputs: number): PackedLayout {
  const strideA = align(r * inputs)
  const strideB = align(outputs * r)
  return { strideA, strideB, startB: layers * strideA, size: layers * (strideA + strideB) }
}

/**
 * The shared conversion layer (Kim et al. 2024, eqs. 5 and 6): A and B of every layer from its frozen weight and one
 * pair (Θa, Θb), two products per stack that lies together in memory; backward takes one dispatch more for the sum over
 * layers.
 *
 * @param weights W0 of each layer, [out, in], f32 or f16 (all else is f32); views of one stack are read in place
 * @param thetaA [r, in] (`code`) or [r, out] (`rectangular`)
 * @param thetaB [r, in]
 * @returns one tensor with A_l and B_l at the places of `packedLayout`
 *
 * `code`: A = Θa·W0ᵀ, B = W0·Θbᵀ. `rectangular`: A = Θa·W0, B = W0·Θbᵀ.
 * Backward sums over the layers in order: dΘa = Σ dA·W0 (`code`) or Σ dA·W0ᵀ, dΘb = Σ dBᵀ·W0.
 */
export function convert(weights: Tensor[], thetaA: Tensor, thetaB: Tensor, form: ConversionForm): Tensor {
  const shape = checkShapes(weights, thetaA, thetaB, form)
  const layout = packedLayout(weights.length, shape.r, shape.outputs, shape.inputs)
  const packed = Tensor.empty(weights[0].device, [layout.size], 'conversion')
  const { r, outputs, inputs } = shape
  const { strideA, strideB, startB } = layout
  const code = form === 'code'
  const [wide, inner] = code ? [outputs, inputs] : [inputs, outputs]
  const op = 'conversion'
  for (const { w, first, count } of stacks(weights)) {
    gemm({
      op,
      a: { tensor: thetaA, rowStride: inner },
      b: { ...w, transposed: code },
      c: { tensor: packed, offset: first * strideA, rowStride: wide, stride0: strideA },
      m: r,
      n: wide,
      k: inner,
      batch0: count,
    })
    gemm({
      op,
      a: w,
      b: { tensor: thetaB, rowStride: inputs, transposed: true },
      c: { tensor: packed, offset: startB + first * strideB, rowStride: r, stride0: strideB },
      m: outputs,
      n: r,
      k: inputs,
      batch0: count,
    })
  }
  return tape('conversion', [thetaA, thetaB], packed, (gradient) => convertBackward(weights, gradient, thetaA, thetaB, form, shape, layout))
}

interface Shape {
  r: number
  outputs: number
  inputs: number
}

function convertBackward(
  weights: Tensor[],
  gradient: Tensor,
  thetaA: Tensor,
  thetaB: Tensor,
  form: ConversionForm,
  s: Shape,
  at: PackedLayout,
) {
  // [2, layers, size]: dΘa of each layer, then dΘb of each layer, in rows of one length so that one dispatch sums both.
  const layers = weights.length
  const size = align(Math.max(thetaA.size, thetaB.size))
  const part = Tensor.empty(gradient.device, [2, layers, size], 'conversion.dtheta')
  const [wide, inner] = form === 'code' ? [s.outputs, s.inputs] : [s.inputs, s.outputs]
  const op = 'conversion.dtheta'
  for (const { w, first, count } of stacks(weights)) {
    gemm({
      op,
      a: { tensor: gradient, offset: first * at.strideA, rowStride: wide, stride0: at.strideA },
      b: { ...w, transposed: form !== 'code' },
      c: { tensor: part, offset: first * size, rowStride: inner, stride0: size },
      m: s.r,
      n: inner,
      k: wide,
      batch0: count,
    })
    gemm({
      op,
      a: { tensor: gradient, offset: at.startB + first * at.strideB, rowStride: s.r, transposed: true, stride0: at.strideB },
      b: w,
      c: { tensor: part, offset: (layers + first) * size, rowStride: s.inputs, stride0: size },
      m: s.r,
      n: s.inputs,
      k: s.outputs,
      batch0: count,
    })
  }
  return sumLayers(part, layers, size).map((sum, i) => sum.view([thetaA, thetaB][i].shape))
}

function sumLayers(part: Tensor, layers: number, size: number): Tensor[] {
  const op = 'conversion.sum'
  if (layers > roomInRows(part.device, op, size)) return [0, 1].map((i) => sumRows(op, part.view([layers, size], i * layers * size), size))
  const sums = sumParts(op, part, size, layers)
  return [0, 1].map((i) => sums.view([size], i * size))
}

/** Weights of layers [first, first + count) as a batch: they lie evenly spaced in one storage. */
function* stacks(weights: Tensor[]): Generator<{ w: Matrix; first: number; count: number }> {
  for (let first = 0; first < weights.length; ) {
    const { storage, offset, shape } = weights[first]
    const stride = weights[first + 1]?.storage === storage ? weights[first + 1].offset - offset : 0
    let count = 1
    while (stride > 0 && weights[first + count]?.storage === storage && weights[first + count].offset === offset + count * stride) count++
    yield { w: { tensor: weights[first], rowStride: shape[1], stride0: stride }, first, count }
    first += count
  }
}

function checkShapes(weights: Tensor[], thetaA: Tensor, thetaB: Tensor, form: ConversionForm): Shape {
  if (!weights.length) complain('conversion', 'weights', 'at least one layer', 'none')
  const [outputs, inputs] = weights[0].shape
  const [r] = thetaA.shape
  if (weights.some((w) => w.shape[0] !== outputs || w.shape[1] !== inputs))
    complain('conversion', 'weights', `[${outputs}, ${inputs}] in every layer`, weights.map((w) => `[${w.shape}]`).join(' '))
  if (form === 'code' && outputs !== inputs)
    complain('conversion', 'the form "code" takes square weights; use conversion: "rectangular"', '[n, n]', `[${outputs}, ${inputs}]`)
  const wantA = [r, form === 'code' ? inputs : outputs]
  if (`${thetaA.shape}` !== `${wantA}`) complain('conversion', 'thetaA', `[${wantA}]`, `[${thetaA.shape}]`)
  if (`${thetaB.shape}` !== `${[r, inputs]}`) complain('conversion', 'thetaB', `[${r}, ${inputs}]`, `[${thetaB.shape}]`)
  return { r, outputs, inputs }
}
