import { Tensor } from '../../src/graph'
import { assert, openTestDevice, test } from '../harness'
import { checkOp, columnSums, randomShapes, values } from './check'

export interface Binary {
  name: string
  op: (a: Tensor, b: Tensor) => Tensor
  /** One element. */
  value: (a: number, b: number) => number
  /** Gradients in a's shape, b repeated where it is one row. */
  gradients: (dy: Float64Array, a: Float64Array, b: Float64Array) => [Float64Array, Float64Array]
}

/** What holds for every op of two tensors, the second perhaps one row: the tests of add, sub and mul. */
export function binaryTests({ name, op, value: element, gradients }: Binary): void {
  const forward = (a: Float64Array, b: Float64Array) => a.map((v, i) => element(v, b[i % b.length]))

  test(`${name}: same shape, both gradients`, async () => {
    const device = await openTestDevice()
    const value = values()
    for (const shape of [[1], [7, 13], [3, 5, 33], ...randomShapes(4, 7)]) {
      const inputs = [value(shape), value(shape)]
      await checkOp(device, { name: `${name} [${shape}]`, inputs, run: op, forward })
    }
  })

  test(`${name}: one row repeated over the others, its gradient summed over them`, async () => {
    const device = await openTestDevice()
    const value = values()
    for (const shape of [[1, 9], [7, 13], [2, 3, 65], ...randomShapes(4, 7)]) {
      const inputs = [value(shape), value(shape.slice(-1))]
      await checkOp(device, { name: `${name} row [${shape}]`, inputs, run: op, forward })
    }
  })

  test(`${name}: more than 64 KiB, with and without a repeated row`, async () => {
    const device = await openTestDevice()
    const value = values()
    const [rows, columns] = [301, 129]
    const sums = (x: Float64Array) =>
      Float64Array.from({ length: columns }, (_, c) => x.reduce((s, v, i) => (i % columns === c ? s + v : s), 0))
    for (const shape of [[rows, columns], [columns]])
      await checkOp(device, {
        name: `${name} large [${shape}]`,
        inputs: [value([rows, columns]), value(shape)],
        run: op,
        forward,
        backward: (dy, a, b) => {
          const [da, db] = gradients(dy, a, b)
          return [da, shape.length === 1 ? sums(db) : db]
        },
      })
  })

  test(`${name}: either or both of half floats; over 64 KiB, with and without a repeated row`, async () => {
    const device = await openTestDevice()
    const value = values()
    // 130: of an odd number of half floats so many rows begin at an aligned place that they exceed a binding of 64 KiB.
    for (const shape of [[7, 13], [3, 5, 36], [301, 130], ...randomShapes(2, 7)])
      for (const half of [[0], [1], [0, 1]])
        for (const other of [shape, shape.slice(-1)])
          await checkOp(device, {
            name: `${name} [${shape}], [${other}], ${half} f16`,
            inputs: [value(shape), value(other)],
            run: op,
            forward,
            backward: (dy, a, b) => {
              const [da, db] = gradients(dy, a, b)
              return [da, columnSums(db, other.length < shape.length ? other[0] : db.length)]
            },
            half,
          })
  })

  test(`${name}: shapes that do not fit are an error`, async () => {
    const device = await openTestDevice()
    const make = (shape: number[]) => Tensor.from(device, new Float32Array(shape.reduce((n, d) => n * d, 1)), shape)
    for (const bad of [[3, 2], [2], [1, 3], [1]])
      assert.throws(() => op(make([2, 3]), make(bad)), new RegExp(`${name}: b: wanted \\[2,3\\] or one row \\[3\\], got \\[${bad}\\]`))
  })
}
