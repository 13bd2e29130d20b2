import { mul } from '../../src/ops/mul'
import { openTestDevice, test } from '../harness'
import { binaryTests } from './binaries'
import { checkOp, values } from './check'

binaryTests({
  name: 'mul',
  op: mul,
  value: (a, b) => a * b,
  gradients: (dy, a, b) => [dy.map((v, i) => v * b[i % b.length]), dy.map((v, i) => v * a[i])],
})

test('mul: a tensor times itself gets both halves of its gradient', async () => {
  const device = await openTestDevice()
  await checkOp(device, { name: 'square', inputs: [values()([5, 7])], run: (x) => mul(x, x), forward: (x) => x.map((v) => v * v) })
})
