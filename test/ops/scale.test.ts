import { scale } from '../../src/ops/scale'
import { openTestDevice, test } from '../harness'
import { checkOp, randomShapes, values } from './check'

test('scale: y = s·x and dx = s·dy', async () => {
  const device = await openTestDevice()
  const value = values()
  for (const [shape, s] of [
    [[1], 0],
    [[7, 13], -2.5],
    [[3, 5, 33], 1e-3],
    [[40001], 3],
    ...randomShapes(3).map((shape) => [shape, 0.7] as const),
  ] as const)
    for (const half of [[], [0]])
      await checkOp(device, {
        name: `scale [${shape}] by ${s}, ${half} f16`,
        inputs: [value([...shape])],
        half,
        run: (x) => scale(x, s),
        forward: (x) => x.map((v) => v * Math.fround(s)),
        backward: (dy) => [dy.map((v) => v * Math.fround(s))],
      })
})
