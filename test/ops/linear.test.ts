import { Tensor } from '../../src/graph'
import { linear, linears } from '../../src/ops/linear'
import { assert, openTestDevice, test } from '../harness'
import { bothForms, checkOp, columnSums, dispatches, gradients, product, productForms, sideBySide, sizes, values } from './check'
import { rounded, withHalves } from './half'

const forward = (rows: number, out: number, inputs: number) => (x: Float64Array, w: Float64Array, b?: Float64Array) =>
  product(x, w, rows, out, inputs, false, true).map((v, i) => v + (b ? b[i % out] : 0))

const backward = (rows: number, out: number, inputs: number, bias: boolean) => (dy: Float64Array, x: Float64Array, w: Float64Array) => [
  product(dy, w, rows, inputs, out),
  product(dy, x, out, inputs, rows, true),
  ...(bias ? [columnSums(dy, out)] : []),
]

test('linear: the gradient of the reference is that of its differences', async () => {
  const device = await openTestDevice()
  const value = values()
  const inputs = [value([2, 2, 5]), value([3, 5]), value([3])]
  await checkOp(device, { name: 'linear', inputs, run: linear, forward: forward(4, 3, 5) })
})

test('linear: with and without bias, odd sizes and multiples of 4, skinny, over one tile and over 64 KiB; both kernels', async () => {
  const device = await openTestDevice()
  const value = values()
  const size = sizes()
  await bothForms(device, async (form) => {
    for (const [lead, out, inputs] of [
      [[1], 1, 1],
      [[3], 2, 5],
      [[2, 7], 33, 17],
      [[4, 16], 36, 64],
      [[5, 13], 8, 132],
      [[9], 130, 65],
      [[3, 100], 68, 128],
      [[size(4), size(20)], size(90), size(90)],
      [[size(4), size(20)], size(90), size(90)],
    ] as const)
      for (const bias of [true, false]) {
        const rows = lead.reduce<number>((n, d) => n * d, 1)
        await checkOp(device, {
          name: `linear [${lead}, ${inputs}] to ${out}${bias ? ' with bias' : ''}, ${form}`,
          inputs: [value([...lead, inputs]), value([out, inputs]), ...(bias ? [value([out])] : [])],
          run: (x, w, b) => linear(x, w, b ?? null),
          forward: forward(rows, out, inputs),
          backward: backward(rows, out, inputs, bias),
        })
      }
  })
})

test('linear: x, W or both in half floats: y as x, gradients f32; both kernels', async () => {
  const device = await openTestDevice()
  const value = values()
  const size = sizes()
  await bothForms(device, async (form) => {
    for (const half of [[0, 1], [0], [1]])
      for (const [rows, out, inputs] of [
        [5, 33, 17],
        [20, 36, 68],
        [size(60), size(60), size(60)],
      ])
        await checkOp(device, {
          name: `linear [${rows}, ${inputs}] to ${out}, ${half} half, ${form}`,
          inputs: [value([rows, inputs]), value([out, inputs]), value([out])],
          run: linear,
          forward: forward(rows, out, inputs),
          backward: backward(rows, out, inputs, true),
          half,
        })
  })
  const [x, w, b] = [[2, 3], [4, 3], [4]].map((shape) => Tensor.empty(device, shape, 'test', 'f16'))
  assert.throws(() => linear(x, w, b), /linear: bias: wanted f32, got f16/)
})

test('linears: a stack in half floats', async () => {
  const device = await openTestDevice()
  const value = values()
  await withHalves(device, () =>
    productForms(device, async (form) => {
      for (const [rows, out, inputs] of [
        [5, 3, 7],
        [13, 12, 20],
        [11, 20, 64],
      ]) {
        const [xs, ws] = [value([rows, inputs]), value([3, out, inputs])].map((v) => rounded(v, 'f16'))
        const [bs, dy] = [value([3 * out]), value([rows, 3 * out])]
        const [x, w] = [xs, ws].map(({ data, shape }) => Tensor.from(device, data, shape, 'f16'))
        const y = linears(
          x.requireGrad(),
          [0, 1, 2].map((i) => w.view([out, inputs], i * out * inputs)),
          sideBySide(device, 3, [out], bs),
        ) as Tensor
        y.backward(Tensor.from(device, dy.data, y.shape))
        const exact = [xs, ws, bs].map(({ data }) => Float64Array.from(data))
        assert.is(y.dtype, 'f16')
        assert.close(await y.data(), forward(rows, 3 * out, inputs)(exact[0], exact[1], exact[2]), 2e-3, `y, ${form}`)
        const [dx] = backward(rows, 3 * out, inputs, false)(Float64Array.from(dy.data), exact[0], exact[1])
        assert.close(await gradients([x]), dx, 1e-5, `dx, ${form}`)
      }
    }),
  )
})

test('linears: layers of one input in a stack: values and gradients; one product forward, one for dx, one for dW', async () => {
  const device = await openTestDevice()
  const value = values()
  const size = sizes()
  await productForms(device, async (form) => {
    // W [3, out, in] and b [3, out] in one are the weight and bias of one layer three times as wide.
    for (const [rows, out, inputs] of [
      [5, 3, 7],
      [13, 12, 20],
      [70, 132, 64],
      [size(40), size(90), size(90)],
    ])
      for (const bias of [true, false]) {
        const name = `linears [${rows}, ${inputs}] to 3 × ${out}${bias ? ' with bias' : ''}, ${form}`
        const [xs, ws, bs, dy] = [[rows, inputs], [3 * out, inputs], [3 * out], [rows, 3 * out]].map((shape) => value(shape))
        const exact = [xs, ws, bs].map(({ data }) => Float64Array.from(data))
        const x = Tensor.from(device, xs.data, xs.shape).requireGrad()
        const w = sideBySide(device, 3, [out, inputs], ws)
        const b = bias ? sideBySide(device, 3, [out], bs) : w.map(() => null)
        const y = linears(x, w, b) as Tensor
        y.backward(Tensor.from(device, dy.data, dy.shape))
        const wanted = backward(rows, 3 * out, inputs, true)(Float64Array.from(dy.data), exact[0], exact[1])
        assert.close(await y.data(), forward(rows, 3 * out, inputs)(exact[0], exact[1], bias ? exact[2] : undefined), 1e-5, `${name}: y`)
        assert.close(await gradients([x]), wanted[0], 1e-5, `${name}: dx`)
        assert.close(await gradients(w), wanted[1], 1e-5, `${name}: dW`)
        if (bias) assert.close(await gradients(b as Tensor[]), wanted[2], 1e-5, `${name}: db`)
      }
  })
})

test('linears: where weights or biases do not follow each other in memory there is no one product', async () => {
  const device = await openTestDevice()
  const make = (...shape: number[]) => Tensor.from(device, new Float32Array(shape.reduce((n, d) => n * d, 1)), shape)
  const thirds = [0, 1, 2]
  const [x, w, b] = [make(4, 8).requireGrad(), make(4, 16, 8), make(4, 16)]
  const weights = thirds.map((i) => w.view([16, 8], i * 128))
  const biases = thirds.map((i) => b.view([16], 16 * i))
  const found = (of: Tensor[], and: (Tensor | null)[]) => linears(x, of, and) !== null
  assert.ok(found(weights, biases))
  assert.ok(found(weights, [null, null, null]))
  assert.not(found(weights, [biases[0], make(16), make(16)]), 'biases elsewhere')
  assert.not(found(weights, [biases[0], null, null]), 'a bias of one alone')
  assert.not(found(weights, [null, biases[1], biases[2]]), 'none of the first')
  assert.not(found([weights[0], weights[2], w.view([16, 8], 3 * 128)], biases), 'a gap')
  assert.not(found([weights[0], make(16, 8), make(16, 8)], biases), 'weights elsewhere')
  assert.not(found([weights[0], w.view([8, 16], 128), weights[2]], biases), 'another shape')
  const ops = (trained: Tensor[]) => {
    for (const t of [...weights, ...biases]) t.requireGrad(trained.includes(t))
    const seen = dispatches(device, () => linears(x, weights, biases)?.backward(make(4, 48))).map(({ op }) => op)
    for (const t of [...weights, ...biases]) assert.is(t.grad !== null, trained.includes(t))
    for (const t of trained) t.grad = null
    x.grad = null
    return seen
  }
  assert.equal(ops([]), ['linear', 'linear.dx'])
  assert.equal(ops([weights[1]]), ['linear', 'linear.dx', 'linear.dw'])
  assert.equal(ops([...weights, biases[0]]), ['linear', 'linear.dx', 'linear.dw', 'linear.db'])
})

test('linear: a frozen weight costs no gradient product', async () => {
  const device = await openTestDevice()
  const value = values()
  const [x, w, b] = [value([3, 8]), value([4, 8]), value([4])].map(({ data, shape }) => Tensor.from(device, data, shape))
  const own = device.run
  const ops: string[] = []
  device.run = (d) => {
    ops.push(d.op)
    own.call(device, d)
  }
  try {
    linear(x.requireGrad(), w, b).backward(Tensor.from(device, new Float32Array(12), [3, 4]))
  } finally {
    device.run = own
  }
  assert.equal(ops, ['linear', 'linear.dx'])
})

test('linear: shapes that do not fit are an error', async () => {
  const device = await openTestDevice()
  const make = (shape: number[]) => Tensor.from(device, new Float32Array(shape.reduce((n, d) => n * d, 1)), shape)
  assert.throws(() => linear(make([2, 3]), make([3])), /linear: weight: wanted \[out, in\], got \[3\]/)
  assert.throws(() => linear(make([2, 3]), make([4, 5])), /linear: the last dimension of x: wanted 5, got \[2,3\]/)
  assert.throws(() => linear(make([2, 3]), make([4, 3]), make([3])), /linear: bias: wanted \[4\], got \[3\]/)
})
