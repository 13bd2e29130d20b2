import { backwardAll, Tensor } from '../../src/graph'
import { linear, linears } from '../../src/ops/linear'
import { assert, openTestDevice, test } from '../harness'
import { bothForms, checkOp, columnSums, dispatches, product, productForms, sizes, values } from './check'
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

test('linears: a stack in half floats: each y begins where it can be bound', async () => {
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
        const bs = value([3, out])
        const [x, w] = [xs, ws].map(({ data, shape }) => Tensor.from(device, data, shape, 'f16'))
        const b = Tensor.from(device, bs.data, bs.shape)
        const parts = [0, 1, 2]
        const ys = linears(
          x.requireGrad(),
          parts.map((i) => w.view([out, inputs], i * out * inputs)),
          parts.map((i) => b.view([out], i * out)),
        )
        const dy = parts.map(() => value([rows, out]).data)
        backwardAll(ys.map((y, i): [Tensor, Tensor] => [y, Tensor.from(device, dy[i], y.shape)]))
        const dx = new Float64Array(x.size)
        for (const [i, y] of ys.entries()) {
          const [xi, wi, bi] = [
            xs.data,
            ws.data.subarray(i * out * inputs, (i + 1) * out * inputs),
            bs.data.subarray(i * out, (i + 1) * out),
          ]
          const exact = [xi, wi, bi].map((v) => Float64Array.from(v))
          assert.is(y.bind().offset % 256, 0)
          assert.close(await y.data(), forward(rows, out, inputs)(exact[0], exact[1], exact[2]), 2e-3, `y ${i}, ${form}`)
          backward(rows, out, inputs, false)(Float64Array.from(dy[i]), exact[0], exact[1])[0].forEach((v, j) => (dx[j] += v))
        }
        assert.close(await (x.grad as Tensor).data(), dx, 1e-5, `dx, ${form}`)
      }
    }),
  )
})

test('linears: layers of one input in a stack: values and gradients; one product, and one pass for each part of dx', async () => {
  const device = await openTestDevice()
  const value = values()
  const size = sizes()
  const parts = [0, 1, 2]
  await productForms(device, async (form) => {
    for (const [rows, out, inputs] of [
      [5, 3, 7],
      [13, 12, 20],
      [70, 132, 64],
      [size(40), size(90), size(90)],
    ]) {
      const [xs, ws, bs] = [value([rows, inputs]), value([3, out, inputs]), value([3, out])].map(({ data, shape }) =>
        Tensor.from(device, data, shape),
      )
      const x = xs.requireGrad()
      const w = parts.map((i) => ws.view([out, inputs], i * out * inputs).requireGrad())
      const b = parts.map((i) => bs.view([out], i * out).requireGrad())
      const dy = parts.map(() => value([rows, out]).data)
      const ys = linears(x, w, b)
      backwardAll(ys.map((y, i): [Tensor, Tensor] => [y, Tensor.from(device, dy[i], y.shape)]))
      const exact = async (t: Tensor) => Float64Array.from(await t.data())
      const dx = new Float64Array(x.size)
      for (const i of parts) {
        const [xi, wi, bi] = [await exact(x), await exact(w[i]), await exact(b[i])]
        assert.close(await ys[i].data(), forward(rows, out, inputs)(xi, wi, bi), 1e-5, `y ${i}, ${form}`)
        const wanted = backward(rows, out, inputs, true)(Float64Array.from(dy[i]), xi, wi)
        wanted[0].forEach((v, j) => (dx[j] += v))
        assert.close(await (w[i].grad as Tensor).data(), wanted[1], 1e-5, `dW ${i}, ${form}`)
        assert.close(await (b[i].grad as Tensor).data(), wanted[2], 1e-5, `db ${i}, ${form}`)
      }
      assert.close(await (x.grad as Tensor).data(), dx, 1e-5, `dx, ${form}`)
    }
  })
  const make = (...shape: number[]) => Tensor.from(device, new Float32Array(shape.reduce((n, d) => n * d, 1)), shape)
  const [x, w, b] = [make(4, 8).requireGrad(), make(3, 16, 8), make(3, 16)]
  const weights = parts.map((i) => w.view([16, 8], i * 128))
  const count = (biases: (Tensor | null)[]) => dispatches(device, () => linears(x, weights, biases)).length
  assert.is(count(parts.map((i) => b.view([16], 16 * i))), 1)
  assert.is(count([null, null, null]), 1)
  assert.is(count([b.view([16]), make(16), make(16)]), 3, 'biases elsewhere')
  assert.is(count([b.view([16]), null, null]), 3, 'a bias of one alone')
  const ys = linears(x, weights, [null, null, null])
  const seeds = ys.map((y): [Tensor, Tensor] => [y, make(4, 16)])
  const back = dispatches(device, () => backwardAll(seeds))
  assert.equal(
    back.map(({ op }) => op),
    ['linear.dx', 'linear.dx', 'linear.dx'],
  )
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
