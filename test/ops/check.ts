import type { Device } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { fromHalf, toHalf } from '../../src/io/half'
import { extras, vectorForm } from '../../src/ops/gemm_kernels'
import { assert, distance, rng } from '../harness'

/** A value of a tensor in the test: its shape and its f32 numbers (as they go to the GPU). */
export interface Value {
  shape: number[]
  data: Float32Array
}

export type Numbers = ArrayLike<number>

const count = (shape: number[]) => shape.reduce((n, d) => n * d, 1)

/** Makes values of a shape, spread evenly over ±`spread` around `center`. The seed is printed. */
export function values(): (shape: number[], spread?: number, center?: number) => Value {
  const random = rng()
  return (shape, spread = 2, center = 0) => ({
    shape,
    data: Float32Array.from({ length: count(shape) }, () => center + spread * (2 * random.next() - 1)),
  })
}

/**
 * Runs `body` with the kernels for processors and with those for GPUs, whatever the adapter is: which of the two forms
 * an op takes hangs on `device.software` alone.
 */
export async function bothForms(device: Device, body: (form: string) => Promise<void>): Promise<void> {
  await taken(true, device, () => body('one thread a row'))
  await asOnGpus(device, () => body('threads together'))
}

/** Runs `body` with the kernels for GPUs. */
export const asOnGpus = (device: Device, body: () => Promise<void>): Promise<void> => taken(false, device, body)

async function taken(software: boolean, device: Device, body: () => Promise<void>): Promise<void> {
  const flag = device as { software: boolean }
  const own = flag.software
  flag.software = software
  try {
    await body()
  } finally {
    flag.software = own
  }
}

/** Runs `body` with products by large tiles wherever they can be, as on a GPU with much to do; `kernel`: by a form of theirs. */
export async function byBlocks(side: number, body: () => Promise<void>, kernel = 'blocks'): Promise<void> {
  const before = [...extras]
  extras.unshift({ all: () => [], usual: (job) => (vectorForm(job) === null ? undefined : `${kernel}-${side}`) })
  try {
    await body()
  } finally {
    extras.splice(0, extras.length, ...before)
  }
}

/** The dispatches of `body`: op and bound bytes of each, in order. */
export function dispatches(device: Device, body: () => void): { op: string; bytes: number[] }[] {
  const own = device.run
  const seen: { op: string; bytes: number[] }[] = []
  device.run = (d) => {
    seen.push({ op: d.op, bytes: d.bind.map((b) => b.size) })
    own.call(device, d)
  }
  try {
    body()
  } finally {
    device.run = own
  }
  return seen
}

/** Sizes for random shapes: mostly odd, seldom a multiple of 4, up to `most`. */
export function sizes(): (most: number) => number {
  const random = rng()
  return (most) => {
    const size = random.int(1, most)
    return random.next() < 0.7 ? Math.min(most, size | 1) : size
  }
}

/** Like `bothForms`, and without subgroups: the product has a kernel more. */
export async function productForms(device: Device, body: (form: string) => Promise<void>): Promise<void> {
  await bothForms(device, body)
  const own = device.features
  const flag = device as { features: ReadonlySet<string>; software: boolean }
  const software = flag.software
  flag.features = new Set()
  flag.software = true
  try {
    await body('without subgroups')
  } finally {
    flag.features = own
    flag.software = software
  }
}

/** `count` shapes of one to three dimensions up to `most` (a vector: up to 8 times that), mostly odd. */
export function randomShapes(count: number, most = 40): number[][] {
  const size = sizes()
  return Array.from({ length: count }, (_, i) => Array.from({ length: 1 + (i % 3) }, () => size(i % 3 === 0 ? 8 * most : most)))
}

export interface OpCase {
  name: string
  inputs: Value[]
  run: (...tensors: Tensor[]) => Tensor
  /** y in float64. */
  forward: (...inputs: Float64Array[]) => Numbers
  /** Gradients of Σ dy·y in float64; without it they are differences of `forward`. null: must have none. */
  backward?: (dy: Float64Array, ...inputs: Float64Array[]) => (Numbers | null)[]
  tolerance?: number
  /** Places of the inputs that are f16. */
  half?: number[]
}

/**
 * y and the gradient by every input, against float64: relative 2-norm per tensor at most 1e-5. Values whose sums nearly
 * cancel are drawn anew: what is left of them hangs on the last bits of f32, so a relative distance says nothing. Of inputs that
 * are f16 the rounded numbers count, and an f16 y is within 2e-3; a device without shader-f16 must refuse them.
 */
export async function checkOp(
  device: Device,
  { name, inputs, run, forward, backward, tolerance = 1e-5, half = [] }: OpCase,
): Promise<void> {
  const random = rng()
  const data = inputs.map((input) => input.data)
  for (const i of half) data[i].set(fromHalf(toHalf(data[i])))
  let exact = data.map((values) => Float64Array.from(values))
  const settled = (reference: () => (Numbers | null)[], moved: Float64Array[]) => moves(reference, moved, random) <= tolerance / 20
  if (!settled(() => [forward(...exact)], exact)) {
    for (const values of data) values.set(values.map(Math.abs))
    exact = data.map((values) => Float64Array.from(values))
  }
  const tensors = inputs.map(({ shape }, i) => Tensor.from(device, data[i], shape, half.includes(i) ? 'f16' : 'f32').requireGrad())
  if (half.length && refused(device, () => run(...tensors))) return
  const y = run(...tensors)
  assert.close(await y.data(), forward(...exact), y.dtype === 'f16' ? 2e-3 : tolerance, `${name}: y`)
  let seed: Float32Array
  let dy: Float64Array
  const reference = () => (backward ? backward(dy, ...exact) : differences(forward, exact, dy))
  let draws = 0
  do {
    seed = random.uniform(y.size, -1, 1)
    dy = Float64Array.from(seed)
  } while (++draws < 9 && !settled(reference, [dy, ...exact]))
  y.backward(Tensor.from(device, seed, y.shape))
  for (const [i, wanted] of reference().entries()) {
    const { grad, shape } = tensors[i]
    if (!wanted !== !grad) throw new Error(`${name}: input ${i}: wanted ${wanted ? 'a' : 'no'} gradient, got ${grad ? 'one' : 'none'}`)
    if (!wanted || !grad) continue
    assert.is(grad.dtype, 'f32')
    if (`${grad.shape}` !== `${shape}`) throw new Error(`${name}: gradient ${i} has shape [${grad.shape}], wanted [${shape}]`)
    assert.close(await grad.data(), wanted, tolerance, `${name}: gradient ${i}`)
  }
}

/** Whether this device lacks half floats; then `body`, which takes some, must throw and say so. */
export function refused(device: Device, body: () => unknown): boolean {
  if (device.features.has('shader-f16')) return false
  assert.throws(body, /^\S+: numbers of dtype f16 need the feature shader-f16, which this device has not$/)
  return true
}

/** How far a reference moves, relative and at most over its tensors, when each value moves by half a last place of f32. */
function moves(reference: () => (Numbers | null)[], values: Float64Array[], random: ReturnType<typeof rng>): number {
  const before = reference().map((tensor) => tensor && Float64Array.from(tensor))
  const kept = values.map((tensor) => tensor.slice())
  for (const tensor of values) for (const i of tensor.keys()) tensor[i] *= 1 + (random.next() < 0.5 ? -1 : 1) * 2 ** -25
  const after = reference()
  for (const [i, tensor] of values.entries()) tensor.set(kept[i])
  return Math.max(...before.map((tensor, i) => (tensor ? distance(after[i] ?? [], tensor) : 0)))
}

/** Leaves of one shape that follow each other in a tensor of these numbers, `gap` numbers between them. */
export function sideBySide(device: Device, count: number, shape: number[], { data }: Value, gap = 0): Tensor[] {
  const size = shape.reduce((n, d) => n * d, 1)
  const all = Tensor.from(device, data)
  return Array.from({ length: count }, (_, i) => all.view(shape, i * (size + gap)).requireGrad())
}

/** The gradients of leaves, one after the other. */
export async function gradients(leaves: Tensor[]): Promise<number[]> {
  const found = await Promise.all(leaves.map(({ grad }) => (grad as Tensor).data()))
  return found.flatMap((x) => [...x])
}

/** Central differences of Σ dy·f by every input. */
export function differences(f: (...inputs: Float64Array[]) => Numbers, inputs: Float64Array[], dy: Float64Array): Float64Array[] {
  const total = () => {
    const y = f(...inputs)
    let sum = 0
    for (let i = 0; i < y.length; i++) sum += dy[i] * y[i]
    return sum
  }
  return inputs.map((input) =>
    input.map((at, i) => {
      const h = 1e-5 * Math.max(1, Math.abs(at))
      input[i] = at + h
      const above = total()
      input[i] = at - h
      const below = total()
      input[i] = at
      return (above - below) / (2 * h)
    }),
  )
}

/** A · B in float64; `ta`: A is stored [k, m], `tb`: B is stored [n, k]. */
export function product(a: Numbers, b: Numbers, m: number, n: number, k: number, ta = false, tb = false): Float64Array {
  const out = new Float64Array(m * n)
  for (let i = 0; i < m; i++)
    for (let q = 0; q < k; q++) {
      const left = ta ? a[q * m + i] : a[i * k + q]
      for (let j = 0; j < n; j++) out[i * n + j] += left * (tb ? b[j * k + q] : b[q * n + j])
    }
  return out
}

/** Σ over the rows of [rows, columns]. */
export function columnSums(x: Numbers, columns: number): Float64Array {
  const out = new Float64Array(columns)
  for (let i = 0; i < x.length; i++) out[i % columns] += x[i]
  return out
}
