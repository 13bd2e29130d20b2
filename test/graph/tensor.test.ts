import { Tensor } from '../../src/graph'
import { fromHalf, toHalf } from '../../src/io'
import { assert, openTestDevice, rng, test } from '../harness'

const rounded = (values: Float32Array) => fromHalf(toHalf(values))

test('a tensor of half floats: written rounded, read back, two bytes each, also where their number is odd', async () => {
  const device = await openTestDevice()
  for (const size of [1, 2, 7, 130, 4097]) {
    const values = rng().normal(size)
    const tensor = Tensor.from(device, values, [size], 'f16')
    assert.equal(await tensor.data(), rounded(values))
    assert.is(tensor.bind().size, 4 * Math.ceil(size / 2))
    const again = rng().normal(size)
    tensor.write(again)
    assert.equal(await tensor.data(), rounded(again))
  }
})

test('a view of half floats begins two bytes an element into the storage', async () => {
  const device = await openTestDevice()
  const values = rng().normal(6 * 256)
  const tensor = Tensor.from(device, values, [6, 256], 'f16')
  const view = tensor.view([2, 256], 3 * 256)
  assert.equal(await view.data(), rounded(values.slice(3 * 256, 5 * 256)))
  assert.is(view.bind().offset, 2 * 3 * 256)
  assert.is(tensor.bindLoose(131, 10).skip, 131 % (device.limits.minStorageBufferOffsetAlignment / 2))
  view.write(new Float32Array(512).fill(0.5))
  assert.equal(await tensor.data(), rounded(values.map((v, i) => (i >= 3 * 256 && i < 5 * 256 ? 0.5 : v))))
})
