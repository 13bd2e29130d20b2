import type { Device } from '../../src/gpu'
import { type DType, Tensor } from '../../src/graph'
import { type ConversionForm, convert, packedLayout } from '../../src/ops/conversion'
import { assert, rng } from '../harness'
import { product, type Value } from './check'
import { rounded } from './half'

/** Layers' weights [out, in] on the device, with the same numbers on the processor. */
export interface Stack {
  tensors: Tensor[]
  layers: Float64Array[]
  outputs: number
  inputs: number
}

/**
 * Weights of `layers` layers: together as `parts` matrices a layer in one storage (the `pick`-th of each is the stack, as
 * key is of [q; k; v]), or with parts 0 each in a storage of its own.
 */
export function stack(
  device: Device,
  value: (shape: number[]) => Value,
  layers: number,
  out: number,
  inputs: number,
  parts = 3,
  pick = 1,
  dtype: DType = 'f32',
): Stack {
  const size = out * inputs
  const exact = (data: Float32Array) => Float64Array.from(data)
  if (parts === 0) {
    const values = Array.from({ length: layers }, () => rounded(value([out, inputs]), dtype))
    const tensors = values.map(({ data, shape }) => Tensor.from(device, data, shape, dtype))
    return { tensors, layers: values.map(({ data }) => exact(data)), outputs: out, inputs }
  }
  const all = rounded(value([layers, parts, out, inputs]), dtype)
  const block = Tensor.from(device, all.data, all.shape, dtype)
  const at = (l: number) => (l * parts + pick) * size
  const indices = Array.from({ length: layers }, (_, l) => l)
  return {
    tensors: indices.map((l) => block.view([out, inputs], at(l))),
    layers: indices.map((l) => exact(all.data.subarray(at(l), at(l) + size))),
    outputs: out,
    inputs,
  }
}

/** A_l and B_l of every layer, one after the other. */
export function forward(
  { layers, outputs, inputs }: Stack,
  form: ConversionForm,
  thetaA: ArrayLike<number>,
  thetaB: ArrayLike<number>,
  r: number,
) {
  const a = layers.map((w) =>
    form === 'code' ? product(thetaA, w, r, outputs, inputs, false, true) : product(thetaA, w, r, inputs, outputs),
  )
  const b = layers.map((w) => product(w, thetaB, outputs, r, inputs, false, true))
  return { a: flat(a), b: flat(b) }
}

/** dΘa = Σ dA·W (`code`) or Σ dA·Wᵀ, dΘb = Σ dBᵀ·W. */
export function backward({ layers, outputs, inputs }: Stack, form: ConversionForm, da: Float64Array, db: Float64Array, r: number) {
  const sum = (parts: Float64Array[]) => parts.reduce((x, y) => x.map((v, i) => v + y[i]))
  const of = (x: Float64Array, l: number) => x.subarray((l * x.length) / layers.length, ((l + 1) * x.length) / layers.length)
  return {
    thetaA: sum(
      layers.map((w, l) =>
        form === 'code' ? product(of(da, l), w, r, inputs, outputs) : product(of(da, l), w, r, outputs, inputs, false, true),
      ),
    ),
    thetaB: sum(layers.map((w, l) => product(of(db, l), w, r, inputs, outputs, true))),
  }
}

const flat = (parts: Float64Array[]) => Float64Array.from(parts.flatMap((p) => [...p]))

export function thetas({ outputs, inputs }: Stack, form: ConversionForm, r: number, value: (shape: number[]) => Value): [Value, Value] {
  return [value([r, form === 'code' ? inputs : outputs]), value([r, inputs])]
}

/** Where A (first) and B of each layer lie in the packed result, without the padding between them. */
function places({ layers, outputs, inputs }: Stack, r: number) {
  const at = packedLayout(layers.length, r, outputs, inputs)
  const span = (start: number, stride: number, size: number) => layers.map((_, l) => [start + l * stride, size])
  return { a: span(0, at.strideA, r * inputs), b: span(at.startB, at.strideB, outputs * r), size: at.size }
}

/** Forward and dΘ on the device against float64. The seed gradient's padding is huge: nothing may read it. */
export async function checkConversion(
  device: Device,
  name: string,
  s: Stack,
  form: ConversionForm,
  r: number,
  value: (shape: number[]) => Value,
) {
  const [ta, tb] = thetas(s, form, r, value)
  const [thetaA, thetaB] = [ta, tb].map(({ data, shape }) => Tensor.from(device, data, shape).requireGrad())
  const y = convert(s.tensors, thetaA, thetaB, form)
  const at = places(s, r)
  const got = await y.data()
  const pick = (from: Float32Array, spans: number[][]) =>
    Float64Array.from(spans.flatMap(([start, n]) => [...from.subarray(start, start + n)]))
  const wanted = forward(s, form, ta.data, tb.data, r)
  assert.close(pick(got, at.a), wanted.a, 1e-5, `${name}: A`)
  assert.close(pick(got, at.b), wanted.b, 1e-5, `${name}: B`)

  const seed = new Float32Array(at.size).fill(1e30)
  const random = rng()
  for (const [start, n] of [...at.a, ...at.b]) seed.set(random.uniform(n, -1, 1), start)
  y.backward(Tensor.from(device, seed, y.shape))
  const expected = backward(s, form, pick(seed, at.a), pick(seed, at.b), r)
  assert.close(await (thetaA.grad as Tensor).data(), expected.thetaA, 1e-5, `${name}: dthetaA`)
  assert.close(await (thetaB.grad as Tensor).data(), expected.thetaB, 1e-5, `${name}: dthetaB`)
}
