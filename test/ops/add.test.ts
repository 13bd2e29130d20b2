import { Tensor } from '../../src/graph'
import { add } from '../../src/ops/add'
import { assert, openTestDevice, test } from '../harness'
import { checkOp, randomShapes, values } from './check'

const forward = (a: Float64Array, b: Float64Array) => a.map((v, i) => v + b[i % b.length])

test('add: same shape, both gradients', async () => {
  const device = await openTestDevice()
  const value = values()
  for (const shape of [[1], [7, 13], [3, 5, 33], ...randomShapes(4, 7)]) {
    const inputs = [value(shape), value(shape)]
    await checkOp(device, { name: `add [${shape}]`, inputs, run: add, forward })
  }
})

test('add: one row repeated over the others, its gradient summed over them', async () => {
  const device = await openTestDevice()
  const value = values()
  for (const shape of [[1, 9], [7, 13], [2, 3, 65], ...randomShapes(4, 7)]) {
    const inputs = [value(shape), value(shape.slice(-1))]
    await checkOp(device, { name: `add row [${shape}]`, inputs, run: add, forward })
  }
})

test('add: more than 64 KiB, with and without a repeated row', async () => {
  const device = await openTestDevice()
  const value = values()
  const [rows, columns] = [301, 129]
  const sums = (x: Float64Array) =>
    Float64Array.from({ length: columns }, (_, c) => x.reduce((s, v, i) => (i % columns === c ? s + v : s), 0))
  for (const shape of [[rows, columns], [columns]])
    await checkOp(device, {
      name: `add large [${shape}]`,
      inputs: [value([rows, columns]), value(shape)],
      run: add,
      forward,
      backward: (dy) => {
        const [da, db] = [dy, dy]
        return [da, shape.length === 1 ? sums(db) : db]
      },
    })
})

test('add: shapes that do not fit are an error', async () => {
  const device = await openTestDevice()
  const make = (shape: number[]) => Tensor.from(device, new Float32Array(shape.reduce((n, d) => n * d, 1)), shape)
  for (const bad of [[3, 2], [2], [1, 3], [1]])
    assert.throws(() => add(make([2, 3]), make(bad)), new RegExp(`add: b: wanted \\[2,3\\] or one row \\[3\\], got \\[${bad}\\]`))
})
