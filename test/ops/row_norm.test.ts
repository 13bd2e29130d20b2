import type { Device } from '../../src/gpu'
import { type DType, Tensor } from '../../src/graph'
import { inverseRowNorms } from '../../src/ops/row_norm'
import { assert, openTestDevice, test } from '../harness'
import { sizes, values } from './check'
import { rounded, withHalves } from './half'

async function check(device: Device, dtype: DType): Promise<void> {
  const value = values()
  const size = sizes()
  for (const [outputs, inputs, r, before] of [
    [1, 1, 1, 0],
    [7, 64, 4, 3],
    [65, 65, 8, 0],
    [3, 300, 1, 13],
    [300, 48, 16, 5],
    [size(90), size(90), size(9), size(30)],
  ]) {
    const [stack, a, b] = [rounded(value([before + outputs * inputs]), dtype), value([r, inputs]), value([outputs, r])]
    const weight = Tensor.from(device, stack.data, stack.shape, dtype).view([outputs, inputs], before)
    const [A, B] = [a, b].map(({ data, shape }) => Tensor.from(device, data, shape))
    const out = Tensor.empty(device, [outputs], 'test')
    inverseRowNorms(weight, { A, B, scaling: 0.7 }, out)
    const expected = Float64Array.from({ length: outputs }, (_, i) => {
      let sum = 0
      for (let j = 0; j < inputs; j++) {
        let delta = 0
        for (let k = 0; k < r; k++) delta += b.data[i * r + k] * a.data[k * inputs + j]
        sum += (stack.data[before + i * inputs + j] + 0.7 * delta) ** 2
      }
      return 1 / Math.sqrt(sum)
    })
    assert.close(await out.data(), expected, 1e-5, `[${outputs}, ${inputs}], r ${r}, ${dtype}`)
  }
}

test('inverseRowNorms: 1/‖W + s·B·A‖ of each row, of a matrix inside a larger one too', async () => {
  await check(await openTestDevice(), 'f32')
})

test('inverseRowNorms of W in half floats', async () => {
  const device = await openTestDevice()
  await withHalves(device, () => check(device, 'f16'))
})

test('inverseRowNorms: wrong shapes are refused by name', async () => {
  const device = await openTestDevice()
  const zeros = (...shape: number[]) => Tensor.from(device, new Float32Array(shape.reduce((n, d) => n * d, 1)), shape)
  const run = (A: Tensor, B: Tensor, out: Tensor) => () => inverseRowNorms(zeros(4, 6), { A, B, scaling: 1 }, out)
  assert.throws(run(zeros(2, 5), zeros(4, 2), zeros(4)), /rowNorm: A: wanted \[r, 6\], got \[2,5\]/)
  assert.throws(run(zeros(2, 6), zeros(4, 3), zeros(4)), /rowNorm: B: wanted \[4, 2\], got \[4,3\]/)
  assert.throws(run(zeros(2, 6), zeros(4, 2), zeros(5)), /rowNorm: out: wanted \[4\], got \[5\]/)
})
