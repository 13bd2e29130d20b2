import { Tensor } from '../../src/graph'
import { mse } from '../../src/ops/mse'
import { assert, openTestDevice, test } from '../harness'
import { checkOp, sizes, values } from './check'

test('mse: predictions [n] and [n, 1] against targets [n], one row, odd and over 64 KiB', async () => {
  const device = await openTestDevice()
  const value = values()
  const size = sizes()
  for (const shape of [[1], [7], [16, 1], [4097, 1], [40001], [size(500)], [size(500), 1]]) {
    const n = shape[0]
    const target = value([n], 3)
    await checkOp(device, {
      name: `mse [${shape}]`,
      inputs: [value(shape)],
      run: (x) => mse(x, Tensor.from(device, target.data)),
      forward: (x) => [x.reduce((s, v, i) => s + (v - target.data[i]) ** 2, 0) / n],
      backward: ([dy], x) => [x.map((v, i) => (dy * 2 * (v - target.data[i])) / n)],
    })
  }
})

test('mse: the gradient is that of the differences', async () => {
  const device = await openTestDevice()
  await checkOp(device, {
    name: 'mse',
    inputs: [values()([5, 1])],
    run: (x) => mse(x, Tensor.from(device, [1, 2, 3, 4, 5])),
    forward: (x) => [x.reduce((s, v, i) => s + (v - i - 1) ** 2, 0) / 5],
  })
})

test('mse: targets of another size or type are an error', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, [1, 2])
  assert.throws(() => mse(x, Tensor.from(device, [1])), /mse: target: wanted 2 numbers, got \[1\]/)
  assert.throws(() => mse(x, Tensor.from(device, [1, 2], [2], 'i32')), /mse: target: wanted f32, got i32/)
  assert.throws(() => mse(Tensor.empty(device, [2], 'test', 'f16'), x), /mse: prediction: wanted f32, got f16/)
})
