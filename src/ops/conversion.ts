import shader from '../../shaders/conversion.wgsl'
import { complain, type Word } from '../gpu'
import { Tensor, tape } from '../graph'
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
 * pair (Θa, Θb), in one dispatch per stack that lies together in memory; backward takes one more for the sum over layers.
 *
 * @param weights W0 of each layer, [out, in]; views of one stack are read in place
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
  const theta = (tensor: Tensor) => ({ tensor, layer: 0, j: tensor.shape[1], k: 1 })
  const code = form === 'code'
  run('conversion', weights, shape, [
    { columns: !code, t: theta(thetaA), o: { tensor: packed, at: 0, layer: layout.strideA, n: 1, j: code ? outputs : inputs } },
    { columns: false, t: theta(thetaB), o: { tensor: packed, at: layout.startB, layer: layout.strideB, n: r, j: 1 } },
  ])
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
  const code = form === 'code'
  run('conversion.dtheta', weights, s, [
    {
      columns: code,
      t: { tensor: gradient, at: 0, layer: at.strideA, j: code ? s.outputs : s.inputs, k: 1 },
      o: { tensor: part, at: 0, layer: size, n: 1, j: thetaA.shape[1] },
    },
    {
      columns: true,
      t: { tensor: gradient, at: at.startB, layer: at.strideB, j: 1, k: s.r },
      o: { tensor: part, at: layers * size, layer: size, n: 1, j: s.inputs },
    },
  ])
  return sumLayers(part, layers, size).map((sum, i) => sum.view([thetaA, thetaB][i].shape))
}

function sumLayers(part: Tensor, layers: number, size: number): Tensor[] {
  const op = 'conversion.sum'
  if (layers > roomInRows(part.device, op, size)) return [0, 1].map((i) => sumRows(op, part.view([layers, size], i * layers * size), size))
  const sums = sumParts(op, part, size, layers)
  return [0, 1].map((i) => sums.view([size], i * size))
}

interface Operand {
  tensor: Tensor
  /** First element, then the strides: of layers, of j < r, and of the index that is contracted (T) or kept (O). */
  at?: number
  layer: number
  j: number
}

interface Job {
  columns: boolean
  t: Operand & { k: number }
  o: Operand & { at: number; n: number }
}

/** W's rows [row, row + rows) of layers [first, first + count), which lie `stride` elements apart in one storage. */
interface Part {
  first: number
  count: number
  stride: number
  row: number
  rows: number
}

function run(op: string, weights: Tensor[], { r, outputs, inputs }: Shape, jobs: [Job, Job]): void {
  const { device } = weights[0]
  const lanes = device.software ? 1 : 16
  for (const part of parts(weights, outputs, inputs, widest(jobs))) {
    const w = weights[part.first].bindLoose(part.row * inputs, (part.count - 1) * part.stride + part.rows * inputs)
    const bound = jobs.map((job) => place(job, part, r, job.columns ? inputs : part.rows, job.columns ? part.rows : inputs))
    const chunks = Math.ceil(r / 8)
    const groups = jobs.map((job) => part.count * chunks * Math.ceil(job.columns ? inputs / 64 : part.rows / (64 / lanes)))
    const words: Word[] = [part.rows, inputs, part.count, r, w.skip, part.stride]
    jobs.forEach((job, i) => {
      words.push(groups[i], bound[i].o.skip, job.o.layer, job.o.n, job.o.j, bound[i].t.skip, job.t.layer, job.t.j, job.t.k)
    })
    const others = bound.reduce((sum, { o, t }) => sum + o.binding.size + t.binding.size, 0)
    device.run({
      op,
      shader,
      constants: { LANES: lanes, COLUMNS0: jobs[0].columns, COLUMNS1: jobs[1].columns, ACCUMULATE: part.row > 0 },
      bind: [bound[0].o.binding, bound[1].o.binding, w.binding, bound[0].t.binding, bound[1].t.binding],
      words,
      groups: groups[0] + groups[1],
      flops: 4 * r * part.rows * inputs * part.count,
      bytes: 4 * part.count * part.rows * inputs + others, // matrices of other kinds may lie between
    })
  }
}

function place({ columns, t, o }: Job, part: Part, r: number, kept: number, contracted: number) {
  const tAt = (t.at ?? 0) + part.first * t.layer + (columns ? part.row * t.k : 0)
  const oAt = o.at + part.first * o.layer + (columns ? 0 : part.row * o.n)
  return {
    t: t.tensor.bindLoose(tAt, (part.count - 1) * t.layer + (r - 1) * t.j + (contracted - 1) * t.k + 1),
    o: o.tensor.bindLoose(oAt, (part.count - 1) * o.layer + (r - 1) * o.j + (kept - 1) * o.n + 1),
  }
}

const widest = (jobs: Job[]) => Math.max(...jobs.flatMap(({ t, o }) => [t.layer, o.layer]))

/** Layers that lie evenly spaced in one storage go together, as many as fit a binding (with their A and B, `layerStride` apart); a larger layer is cut by rows. */
function parts(weights: Tensor[], outputs: number, inputs: number, layerStride: number): Part[] {
  const { maxStorageBufferBindingSize: max, minStorageBufferOffsetAlignment: alignment } = weights[0].device.limits
  const room = Math.floor((max - alignment) / 4)
  const found: Part[] = []
  for (let first = 0; first < weights.length; ) {
    const stride = weights[first + 1]?.storage === weights[first].storage ? weights[first + 1].offset - weights[first].offset : 0
    let count = 1
    const fits = () =>
      stride > 0 &&
      weights[first + count]?.storage === weights[first].storage &&
      weights[first + count].offset === weights[first].offset + count * stride &&
      count * stride + outputs * inputs <= room &&
      (count + 1) * layerStride <= room
    while (fits()) count++
    const rows = Math.min(outputs, Math.max(1, Math.floor(room / inputs)))
    for (let row = 0; row < outputs; row += rows) found.push({ first, count, stride, row, rows: Math.min(rows, outputs - row) })
    first += count
  }
  return found
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
