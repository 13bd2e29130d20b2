import { Tensor } from '../../src/graph'
import { keepMask } from '../../src/ops/dropout'
import { layerNorm } from '../../src/ops/layer_norm'
import { assert, openTestDevice, test } from '../harness'
import { bothForms, checkOp, columnSums, dispatches, type OpCase, randomShapes, values } from './check'

const eps = 1e-5

function statistics(x: Float64Array, n: number): { hat: Float64Array; rho: Float64Array } {
  const hat = new Float64Array(x.length)
  const rho = new Float64Array(x.length / n)
  for (let i = 0; i < rho.length; i++) {
    const row = x.subarray(i * n, (i + 1) * n)
    const mu = row.reduce((s, v) => s + v, 0) / n
    rho[i] = 1 / Math.sqrt(row.reduce((s, v) => s + (v - mu) ** 2, 0) / n + Math.fround(eps))
    row.forEach((v, j) => (hat[i * n + j] = (v - mu) * rho[i]))
  }
  return { hat, rho }
}

function forward(x: Float64Array, gamma: Float64Array, beta: Float64Array): Float64Array {
  const n = gamma.length
  return statistics(x, n).hat.map((v, i) => gamma[i % n] * v + beta[i % n])
}

function backward(dy: Float64Array, x: Float64Array, gamma: Float64Array): Float64Array[] {
  const n = gamma.length
  const { hat, rho } = statistics(x, n)
  const h = dy.map((v, i) => v * gamma[i % n])
  const dx = x.map((_, at) => {
    const row = Math.floor(at / n)
    let [c1, c2] = [0, 0]
    for (let j = row * n; j < (row + 1) * n; j++) {
      c1 += h[j] / n
      c2 += (h[j] * hat[j]) / n
    }
    return rho[row] * (h[at] - c1 - hat[at] * c2)
  })
  return [
    dx,
    columnSums(
      dy.map((v, i) => v * hat[i]),
      n,
    ),
    columnSums(dy, n),
  ]
}

const run = (x: Tensor, gamma: Tensor, beta: Tensor) => layerNorm(x, gamma, beta, eps)

test('layerNorm: the gradient of the reference is that of its differences', async () => {
  const device = await openTestDevice()
  const value = values()
  await checkOp(device, { name: 'layerNorm', inputs: [value([3, 7]), value([7]), value([7])], run, forward })
})

test('layerNorm: one row, odd rows, more rows than a group, over 64 KiB; all three gradients', async () => {
  const device = await openTestDevice()
  const value = values()
  await bothForms(device, async (form) => {
    for (const shape of [
      [1, 5],
      [4, 7],
      [3, 5, 33],
      [129, 65],
      [5, 1031],
      [37, 768],
      [301, 96],
      // A row of two numbers has x̂ = ±1 whatever they are: dx is all cancellation.
      ...randomShapes(3).map((s) => [...s, 5]),
    ]) {
      const n = shape.at(-1) as number
      const inputs = [value(shape, 3, 0.5), value([n], 1, 1), value([n])]
      const one = { name: `layerNorm [${shape}], ${form}`, inputs, run, forward, backward }
      await checkOp(device, one)
      await checkOp(device, { ...one, name: `${one.name}, of half floats`, half: [0] })
    }
  })
})

test('layerNorm of x + dropout(h): all four gradients, with the bits of dropout; without it, and over 64 KiB', async () => {
  const device = await openTestDevice()
  const value = values()
  const state = [0x12345678, 0x9abcdef0, 3, 0]
  const rng = { state: Tensor.from(device, state, [4], 'u32'), stream: 5 }
  await bothForms(device, async (form) => {
    for (const [shape, p] of [
      [[3, 5, 33], 0.1],
      [[129, 65], 0],
      [[37, 768], 0.25],
      [[301, 36], 0.5],
      ...randomShapes(2).map((s) => [[...s, 12], 0.3] as const),
    ] as const) {
      const n = shape.at(-1) as number
      const inputs = [value([...shape], 3, 0.5), value([n], 1, 1), value([n]), value([...shape])]
      const keep = keepMask(inputs[0].data.length, p, state, rng.stream)
      const factor = (i: number) => keep[i] / (1 - p)
      const sum = (x: Float64Array, h: Float64Array) => x.map((v, i) => v + factor(i) * h[i])
      const one: OpCase = {
        name: `layerNorm of a sum [${shape}], p ${p}, ${form}`,
        inputs,
        run: (x, gamma, beta, h) => layerNorm(x, gamma, beta, eps, { h, dropout: { p, rng } }),
        forward: (x, gamma, beta, h) => forward(sum(x, h), gamma, beta),
        backward: (dy, x, gamma, _beta, h) => {
          const [dx, ...others] = backward(dy, sum(x, h), gamma)
          return [dx, ...others, dx.map((v, i) => factor(i) * v)]
        },
      }
      await checkOp(device, one)
      // The sum is kept as a half float.
      await checkOp(device, { ...one, name: `${one.name}, of half floats`, half: [0, 3], tolerance: 2e-3 })
    }
  })
})

test('layerNorm of a sum: a dispatch each way, and one for the bits; only h trained gives h a gradient alone; h of another shape is an error', async () => {
  const device = await openTestDevice()
  const make = (...shape: number[]) => Tensor.from(device, new Float32Array(shape.reduce((n, d) => n * d, 1)).fill(1), shape)
  const rng = { state: Tensor.from(device, [1, 2, 3, 0], [4], 'u32'), stream: 0 }
  const [x, h] = [make(3, 8), make(3, 8).requireGrad()]
  const seen = dispatches(device, () => {
    layerNorm(x, make(8), make(8), eps, { h, dropout: { p: 0.5, rng } }).backward(make(3, 8))
  })
  assert.equal(
    seen.map(({ op }) => op),
    ['layerNorm.dropout', 'layerNorm', 'layerNorm.dx'],
  )
  assert.is(x.grad, null)
  assert.equal([...(h.grad as Tensor).shape], [3, 8])
  assert.throws(() => layerNorm(x, make(8), make(8), eps, { h: make(24) }), /layerNorm: h: wanted \[3,8\], got \[24\]/)
  const half = Tensor.empty(device, [3, 8], 'test', 'f16')
  assert.throws(() => layerNorm(x, make(8), make(8), eps, { h: half }), /layerNorm: h: wanted f32, got f16/)
  assert.throws(() => layerNorm(x, half.view([8]), make(8)), /layerNorm: gamma: wanted f32, got f16/)
})

test('layerNorm: a mean far from zero costs no accuracy', async () => {
  const device = await openTestDevice()
  const value = values()
  await bothForms(device, async (form) => {
    const inputs = [value([9, 768], 1, 100), value([768], 1, 1), value([768])]
    await checkOp(device, { name: `layerNorm around 100, ${form}`, inputs, run, forward, backward })
  })
})

test('layerNorm: a row of equal numbers gives beta', async () => {
  const device = await openTestDevice()
  const beta = values()([5]).data
  const y = run(Tensor.from(device, [3, 3, 3, 3, 3], [1, 5]), Tensor.from(device, [1, 2, 3, 4, 5]), Tensor.from(device, beta))
  assert.equal([...(await y.data())], [...beta])
})

test('layerNorm: frozen gamma and beta get no gradient and cost no dispatch', async () => {
  const device = await openTestDevice()
  const value = values()
  const [x, gamma, beta] = [value([3, 8]), value([8]), value([8])].map(({ data, shape }) => Tensor.from(device, data, shape))
  const run2 = device.run
  const ops: string[] = []
  device.run = (d) => {
    ops.push(d.op)
    run2.call(device, d)
  }
  try {
    const y = run(x.requireGrad(), gamma, beta)
    y.backward(Tensor.from(device, new Float32Array(24), [3, 8]))
  } finally {
    device.run = run2
  }
  assert.equal(ops, ['layerNorm', 'layerNorm.dx'])
  assert.is(gamma.grad, null)
  assert.is(beta.grad, null)
})

test('layerNorm: gamma and beta of another size are an error', async () => {
  const device = await openTestDevice()
  const make = (shape: number[]) => Tensor.from(device, new Float32Array(shape.reduce((n, d) => n * d, 1)), shape)
  assert.throws(() => run(make([2, 3]), make([2]), make([3])), /layerNorm: gamma: wanted \[3\], got \[2\]/)
  assert.throws(() => run(make([2, 3]), make([3]), make([4])), /layerNorm: beta: wanted \[3\], got \[4\]/)
})
