import { Tensor } from '../../src/graph'
import { embedding, tokenRuns } from '../../src/ops/embedding'
import { scale } from '../../src/ops/scale'
import { sum } from '../../src/ops/sum'
import { assert, openTestDevice, rng, test } from '../harness'

// WebGPU's default: what a device without more must manage.
const binding = 128 << 20
const cap = { maxStorageBufferBindingSize: binding, maxComputeWorkgroupsPerDimension: 65535 }

test('a word embedding of 50,265 × 768 (154 MB, over one binding) is looked up and differentiated', async () => {
  const device = await openTestDevice({ cap })
  const [v, h, n] = [50265, 768, 64]
  const random = rng()
  // The part border lies at row 43,690: ids on both sides of it, and the table's ends.
  const ids = Int32Array.from({ length: n }, () => random.int(0, v - 1))
  ids.set([0, v - 1, 43688, 43689, 43690, 43691, 43690, 0])
  const data = new Float32Array(v * h)
  for (let i = 0; i < data.length; i++) data[i] = ((i * 2654435761) >>> 8) * 2 ** -23 - 1
  const table = Tensor.from(device, data, [v, h]).requireGrad()
  const { runs, order } = tokenRuns(ids)
  const groups = { runs: Tensor.from(device, runs, [n, 3], 'i32'), order: Tensor.from(device, order, [n], 'i32') }
  const y = embedding(table, Tensor.from(device, ids, [n], 'i32'), groups)
  const row = (from: Float32Array, i: number) => from.subarray(i * h, (i + 1) * h)
  const got = await y.data()
  ids.forEach((id, i) => assert.close(row(got, i), row(data, id), 0, `row of id ${id}`))

  const dy = random.uniform(n * h, -1, 1)
  y.backward(Tensor.from(device, dy, [n, h]))
  const gradient = await (table.grad as Tensor).data()
  const expected = new Map<number, Float64Array>()
  ids.forEach((id, i) => {
    const total = expected.get(id) ?? new Float64Array(h)
    row(dy, i).forEach((d, j) => (total[j] += d))
    expected.set(id, total)
  })
  let zero = 0
  for (let id = 0; id < v; id++) {
    const total = expected.get(id)
    if (total) assert.close(row(gradient, id), total, 1e-6, `gradient of row ${id}`)
    else if (row(gradient, id).every((g) => g === 0)) zero++
  }
  assert.is(zero, v - expected.size)
  device.destroy()
})

test('outputs of 33,554,431, 33,554,432 and 33,554,433 floats: around one binding', async () => {
  const device = await openTestDevice({ cap })
  for (const n of [33554431, 33554432, 33554433]) {
    const x = Tensor.from(device, new Float32Array(n).fill(0.5))
    const y = scale(x, 2)
    assert.close([await sum(y).item()], [n], 1e-7)
    const tail = await y.data()
    assert.equal([tail[0], tail[n - 2], tail[n - 1], tail.length], [1, 1, 1, n])
    x.dispose()
    y.dispose()
  }
  device.destroy()
})
