import { Tensor } from '../../src/graph'
import { firstToken } from '../../src/ops/first_token'
import { assert, openTestDevice, test } from '../harness'
import { checkOp, sizes, values } from './check'

test('firstToken: y[b] = x[b, 0], and dx is zero elsewhere; one row, odd, over 64 KiB', async () => {
  const device = await openTestDevice()
  const value = values()
  const size = sizes()
  for (const [batch, length, hidden] of [
    [1, 1, 1],
    [3, 5, 7],
    [1, 9, 33],
    [16, 24, 64],
    [size(9), size(9), size(70)],
    [size(9), size(9), size(70)],
  ]) {
    const wide = length * hidden
    const one = {
      name: `firstToken [${batch}, ${length}, ${hidden}]`,
      inputs: [value([batch, length, hidden])],
      run: firstToken,
      forward: (x: Float64Array) =>
        Float64Array.from({ length: batch * hidden }, (_, i) => x[Math.floor(i / hidden) * wide + (i % hidden)]),
      backward: (dy: Float64Array, x: Float64Array) => [
        x.map((_, i) => (i % wide < hidden ? dy[Math.floor(i / wide) * hidden + (i % wide)] : 0)),
      ],
    }
    await checkOp(device, one)
    await checkOp(device, { ...one, name: `${one.name} of half floats`, half: [0] })
  }
})

test('firstToken: another number of dimensions is an error', async () => {
  const device = await openTestDevice()
  assert.throws(() => firstToken(Tensor.from(device, [1, 2], [1, 2])), /firstToken: x: wanted \[batch, length, hidden\], got \[1,2\]/)
})
