import { Tensor } from '../../src/graph'
import { mean, sum } from '../../src/ops/sum'
import { assert, openTestDevice, test } from '../harness'
import { checkOp, sizes as randomSizes, values } from './check'

// Around the borders of one group's range (4,096) and of two levels of the tree, and over 64 KiB.
const sizes = [1, 2, 63, 4095, 4096, 4097, 70001, 4096 * 65 + 3]

test('sum and mean: any size, gradients', async () => {
  const device = await openTestDevice()
  const value = values()
  const random = randomSizes()
  for (const size of [...sizes, random(300), random(9000), random(90000)]) {
    const total = (x: Float64Array) => x.reduce((s, v) => s + v, 0)
    const inputs = [value([size], 1, 1)]
    await checkOp(device, { name: `sum ${size}`, inputs, run: sum, forward: (x) => [total(x)], backward: ([dy], x) => [x.map(() => dy)] })
    await checkOp(device, {
      name: `sum of ${size} half floats`,
      inputs,
      run: sum,
      forward: (x) => [total(x)],
      backward: ([dy], x) => [x.map(() => dy)],
      half: [0],
    })
    await checkOp(device, {
      name: `mean ${size}`,
      inputs,
      run: mean,
      forward: (x) => [total(x) / size],
      backward: ([dy], x) => [x.map(() => dy / size)],
    })
  }
})

test('sum: the same bits every time', async () => {
  const device = await openTestDevice()
  const { data } = values()([50001])
  const x = Tensor.from(device, data)
  const first = await sum(x).item()
  for (let i = 0; i < 3; i++) assert.is(await sum(x).item(), first)
})
