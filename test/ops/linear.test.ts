import { Tensor } from '../../src/graph'
import { linear } from '../../src/ops/linear'
import { assert, openTestDevice, test } from '../harness'
import { bothForms, checkOp, columnSums, product, sizes, values } from './check'

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
