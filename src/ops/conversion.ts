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

/**
 * The layout of `convert`'s result: A of all layers, then B of all layers, each padded to 256 bytes. Of several kinds (`convertAll`)
 * kind i of layer l has the place of layer l · kinds + i.
 */
export function packedLayout(layers: number, r: number, outputs: number, inputs: number): PackedLayout {
  const strideA = align(r * inputs)
  const strideB = align(outputs * r)
  return { strideA, strideB, startB: layers * strideA, size: layers * (strideA + strideB) }
}

/** Frozen weights W0 [out, in] of layers of one kind, e.g. all queries, and the pair that computes their A and B. */
export interface Convertible {
  /** Views of one stack are read in place. */
  weights: Tensor[]
  /** [r, in] (`code`) or [r, out] (`rectangular`) */
  thetaA: Tensor
  /** [r, in] */
  thetaB: Tensor
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
  return convertAll([{ weights, thetaA, thetaB }], form)
}

/** `convert` of several kinds of one shape and number of layers: a layer's A of all kinds follow each other in memory, so do its B. */
export function convertAll(kinds: Convertible[], form: ConversionForm): Tensor {
  const [shape] = kinds.map((kind) => checkShapes(kind, form))
  const { r, outputs, inputs } = shape
  const layout = packedLayout(kinds.length * shape.layers, r, outputs, inputs)
  const packed = Tensor.empty(kinds[0].thetaA.device, [layout.size], 'conversion')
  const code = form === 'code'
  const [wide, inner] = code ? [outputs, inputs] : [inputs, outputs]
  const op = 'conversion'
  for (const { w, count, thetaA, thetaB, A, B } of stacks(kinds, layout)) {
    gemm({
      op,
      a: { tensor: thetaA, rowStride: inner },
      b: { ...w, transposed: code },
      c: { tensor: packed, ...A, rowStride: wide },
      m: r,
      n: wide,
      k: inner,
      batch0: count,
    })
    gemm({
      op,
      a: w,
      b: { tensor: thetaB, rowStride: inputs, transposed: true },
      c: { tensor: packed, ...B, rowStride: r },
      m: outputs,
      n: r,
      k: inputs,
      batch0: count,
    })
  }
  const thetas = kinds.flatMap(({ thetaA, thetaB }) => [thetaA, thetaB])
  return tape('conversion', thetas, packed, (gradient) => convertBackward(kinds, gradient, thetas, form, shape, layout))
}

interface Shape {
  layers: number
  r: number
  outputs: number
  inputs: number
}

function convertBackward(kinds: Convertible[], gradient: Tensor, thetas: Tensor[], form: ConversionForm, s: Shape, at: PackedLayout) {
  // [thetas, layers, size]: what each layer gives to dΘa and dΘb of its kind, in rows of one length so that one dispatch sums all.
  const { layers, r, outputs, inputs } = s
  const size = align(Math.max(...thetas.map((theta) => theta.size)))
  const part = Tensor.empty(gradient.device, [thetas.length, layers, size], 'conversion.dtheta')
  const [wide, inner] = form === 'code' ? [outputs, inputs] : [inputs, outputs]
  const op = 'conversion.dtheta'
  for (const { w, kind, first, count, A, B } of stacks(kinds, at)) {
    const to = (theta: number) => ({ tensor: part, offset: ((2 * kind + theta) * layers + first) * size, stride0: size })
    gemm({
      op,
      a: { tensor: gradient, ...A, rowStride: wide },
      b: { ...w, transposed: form !== 'code' },
      c: { ...to(0), rowStride: inner },
      m: r,
      n: inner,
      k: wide,
      batch0: count,
    })
    gemm({
      op,
      a: { tensor: gradient, ...B, rowStride: r, transposed: true },
      b: w,
      c: { ...to(1), rowStride: inputs },
      m: r,
      n: inputs,
      k: outputs,
      batch0: count,
    })
  }
  return sumLayers(part, layers, size).map((sum, i) => sum.view(thetas[i].shape))
}

function sumLayers(part: Tensor, layers: number, size: number): Tensor[] {
  const op = 'conversion.sum'
  const all = Array.from({ length: part.shape[0] }, (_, i) => i)
  if (layers > roomInRows(part.device, op, size)) return all.map((i) => sumRows(op, part.view([layers, size], i * layers * size), size))
  const sums = sumParts(op, part, size, layers)
  return all.map((i) => sums.view([size], i * size))
}

interface Stack extends Convertible {
  w: Matrix
  /** Index of its kind. */
  kind: number
  first: number
  count: number
  /** Where A and B of its layers lie in the packed tensor. */
  A: { offset: number; stride0: number }
  B: { offset: number; stride0: number }
}

/** Weights of layers [first, first + count) of a kind as a batch: they lie evenly spaced in one storage. */
function* stacks(kinds: Convertible[], { strideA, strideB, startB }: PackedLayout): Generator<Stack> {
  for (const [kind, { weights, ...thetas }] of kinds.entries())
    for (let first = 0; first < weights.length; ) {
      const { storage, offset, shape } = weights[first]
      const stride = weights[first + 1]?.storage === storage ? weights[first + 1].offset - offset : 0
      let count = 1
      while (stride > 0 && weights[first + count]?.storage === storage && weights[first + count].offset === offset + count * stride) count++
      const place = first * kinds.length + kind
      yield {
        ...thetas,
        weights,
        w: { tensor: weights[first], rowStride: shape[1], stride0: stride },
        kind,
        first,
        count,
        A: { offset: place * strideA, stride0: kinds.length * strideA },
        B: { offset: startB + place * strideB, stride0: kinds.length * strideB },
      }
      first += count
    }
}

function checkShapes({ weights, thetaA, thetaB }: Convertible, form: ConversionForm): Shape {
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
  return { layers: weights.length, r, outputs, inputs }
}
