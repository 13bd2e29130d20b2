import { Tensor } from '../../src/graph'
import { sumRows } from '../../src/ops/sum_rows'
import { assert, openTestDevice, test } from '../harness'
import { columnSums, refused, sizes, values } from './check'

test('sumRows: one row, one column, borders of the parts of 64 rows, two and three levels, over 64 KiB', async () => {
  const device = await openTestDevice()
  const value = values()
  const size = sizes()
  for (const [rows, columns] of [
    [1, 1],
    [1, 70],
    [63, 3],
    [64, 64],
    [65, 65],
    [130, 257],
    [4097, 5],
    [64 * 64 + 1, 33],
    [300, 768],
    [12, 6144],
    [size(200), size(200)],
    [size(2000), size(20)],
    [size(20), size(2000)],
  ]) {
    const { data } = value([rows, columns])
    for (const dtype of ['f32', 'f16'] as const) {
      const x = Tensor.from(device, data, [rows, columns], dtype)
      const run = () => sumRows('sumRows', x, columns)
      if (dtype === 'f16' && refused(device, run)) continue
      const y = run()
      assert.equal([...y.shape], [columns])
      assert.close(await y.data(), columnSums(await x.data(), columns), 1e-5, `[${rows}, ${columns}] ${dtype}`)
    }
  }
})

test('sumRows: no rows at all give zeros', async () => {
  const device = await openTestDevice()
  assert.equal([...(await sumRows('sumRows', Tensor.from(device, [], [0, 5]), 5).data())], [0, 0, 0, 0, 0])
})

test('sumRows: the same bits every time', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, values()([999, 31]).data, [999, 31])
  const first = [...(await sumRows('sumRows', x, 31).data())]
  for (let i = 0; i < 3; i++) assert.equal([...(await sumRows('sumRows', x, 31).data())], first)
})
