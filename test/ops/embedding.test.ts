import { Tensor } from '../../src/graph'
import { embedding, embeddings, tokenRuns } from '../../src/ops/embedding'
import { assert, openTestDevice, rng, test } from '../harness'
import { checkOp, sizes, values } from './check'

function runsOf(ids: Int32Array, like: Tensor) {
  const { runs, order } = tokenRuns(ids)
  return { runs: Tensor.from(like.device, runs, [ids.length, 3], 'i32'), order: Tensor.from(like.device, order, [ids.length], 'i32') }
}

test('embedding: rows by id, and the gradient summed over repeated ids; tables and batches over 64 KiB', async () => {
  const device = await openTestDevice()
  const random = rng()
  const value = values()
  const size = sizes()
  const [many, few] = [size(90), size(9)]
  // [v, h, ids]; the third draws from few tokens, so that sums are long.
  for (const [v, h, shape, last] of [
    [1, 1, [1], 0],
    [11, 7, [3, 5], 10],
    [50, 33, [4, 100], 3],
    [301, 128, [2, 70], 300],
    [300, 768, [5, 9], 299],
    [many, size(90), [size(9), size(30)], many - 1],
    [many, size(90), [size(9), size(30)], Math.min(many, few) - 1],
  ] as const) {
    const { data } = value([v, h])
    const table = Tensor.from(device, data, [v, h]).requireGrad()
    const ids = Int32Array.from({ length: shape.reduce<number>((n, d) => n * d, 1) }, () => random.int(0, last))
    ids[0] = last
    const y = embedding(table, Tensor.from(device, ids, shape, 'i32'), runsOf(ids, table))
    assert.equal([...y.shape], [...shape, h])
    assert.close(
      await y.data(),
      Float64Array.from({ length: ids.length * h }, (_, i) => data[ids[Math.floor(i / h)] * h + (i % h)]),
      0,
      `y [${v}, ${h}]`,
    )
    const dy = value([ids.length, h]).data
    y.backward(Tensor.from(device, dy, y.shape))
    const expected = new Float64Array(v * h)
    dy.forEach((d, i) => (expected[ids[Math.floor(i / h)] * h + (i % h)] += d))
    const gradient = await (table.grad as Tensor).data()
    assert.close(gradient, expected, 1e-5, `dtable [${v}, ${h}]`)
    const stray = gradient.filter((g, i) => g !== 0 && !ids.includes(Math.floor(i / h)))
    assert.is(stray.length, 0)
  }
})

test('embeddings: the sum over tables, each with its gradient; a frozen one gets none and needs no runs', async () => {
  const device = await openTestDevice()
  const random = rng()
  const value = values()
  const [h, shape] = [33, [3, 70]]
  const tables = [301, 2, 80].map((v) => value([v, h]).data)
  const ids = tables.map(({ length }) => Int32Array.from({ length: 210 }, () => random.int(0, length / h - 1)))
  const leaves = tables.map((data, t) => Tensor.from(device, data, [data.length / h, h]).requireGrad(t !== 1))
  const y = embeddings(
    leaves.map((table, t) => ({
      table,
      ids: Tensor.from(device, ids[t], shape, 'i32'),
      runs: t === 1 ? undefined : runsOf(ids[t], table),
    })),
  )
  const at = (t: number, i: number) => tables[t][ids[t][Math.floor(i / h)] * h + (i % h)]
  assert.close(
    await y.data(),
    Float64Array.from({ length: y.size }, (_, i) => at(0, i) + at(1, i) + at(2, i)),
    1e-6,
    'y',
  )
  const dy = value([...shape, h]).data
  y.backward(Tensor.from(device, dy, y.shape))
  for (const [t, { grad, size }] of leaves.entries()) {
    if (t === 1) {
      assert.is(grad, null)
      continue
    }
    const expected = new Float64Array(size)
    dy.forEach((d, i) => (expected[ids[t][Math.floor(i / h)] * h + (i % h)] += d))
    assert.close(await (grad as Tensor).data(), expected, 1e-5, `dtable ${t}`)
  }
  const other = Tensor.from(device, new Float32Array(8), [2, 4])
  const one = Tensor.from(device, [0], [1], 'i32')
  assert.throws(
    () =>
      embeddings([
        { table: leaves[0], ids: one },
        { table: other, ids: one },
      ]),
    /embedding: table: wanted \[v, 33\], got \[2,4\]/,
  )
})

test('embeddings of half floats: y has the dtype of the first table, gradients are f32; over 64 KiB', async () => {
  const device = await openTestDevice()
  const random = rng()
  const value = values()
  const table = value([9, 7])
  const one = Int32Array.from({ length: 12 }, () => random.int(0, 8))
  const rows = (x: Float64Array) => Float64Array.from({ length: 84 }, (_, i) => x[one[Math.floor(i / 7)] * 7 + (i % 7)])
  const run = (table: Tensor) => embedding(table, Tensor.from(device, one, [12], 'i32'), runsOf(one, table))
  await checkOp(device, { name: 'one table', inputs: [table], run, forward: rows, half: [0] })
  for (const [h, n] of [
    [1, 1],
    [33, 7],
    [7, 1001],
    [768, 50],
  ])
    for (const half of [[0], [0, 1], [1]]) {
      const inputs = [value([301, h]), value([5, h])]
      const ids = inputs.map(({ shape }) => Int32Array.from({ length: n }, () => random.int(0, shape[0] - 1)))
      await checkOp(device, {
        name: `embeddings [${n}, ${h}], tables ${half} f16`,
        inputs,
        run: (...tables) =>
          embeddings(tables.map((table, t) => ({ table, ids: Tensor.from(device, ids[t], [n], 'i32'), runs: runsOf(ids[t], table) }))),
        forward: (a, b) =>
          Float64Array.from(
            { length: n * h },
            (_, i) => a[ids[0][Math.floor(i / h)] * h + (i % h)] + b[ids[1][Math.floor(i / h)] * h + (i % h)],
          ),
        backward: (dy, ...tables) =>
          tables.map((each, t) => {
            const sum = new Float64Array(each.length)
            dy.forEach((d, i) => (sum[ids[t][Math.floor(i / h)] * h + (i % h)] += d))
            return sum
          }),
        half,
      })
    }
})

test('embedding: the gradient has the same bits every time', async () => {
  const device = await openTestDevice()
  const { data } = values()([5, 16])
  const ids = Int32Array.from({ length: 500 }, (_, i) => (i * 7) % 5)
  const dy = Tensor.from(device, values()([500, 16]).data, [500, 16])
  const all = new Set<string>()
  for (let i = 0; i < 3; i++) {
    const table = Tensor.from(device, data, [5, 16]).requireGrad()
    embedding(table, Tensor.from(device, ids, [500], 'i32'), runsOf(ids, table)).backward(dy)
    all.add([...(await (table.grad as Tensor).data())].join())
  }
  assert.is(all.size, 1)
})

test('embedding: ids outside the table touch no other memory', async () => {
  const device = await openTestDevice()
  const table = Tensor.from(device, [1, 2, 3, 4], [2, 2]).requireGrad()
  const ids = Int32Array.from([1, -1, 2, 0, 2147483647, -2147483648])
  const y = embedding(table, Tensor.from(device, ids, [6], 'i32'), runsOf(ids, table))
  const rows = await y.data()
  assert.equal([...rows.slice(0, 2), ...rows.slice(6, 8)], [3, 4, 1, 2])
  y.backward(Tensor.from(device, new Float32Array(12).fill(1), [6, 2]))
  assert.equal([...(await (table.grad as Tensor).data())], [1, 1, 1, 1])
})

test('tokenRuns: sizes depend on the number of ids alone', () => {
  for (const ids of [
    [5, 5, 5, 5],
    [3, 1, 2, 0],
  ]) {
    const { runs, order } = tokenRuns(Int32Array.from(ids))
    assert.is(runs.length, 12)
    assert.is(order.length, 4)
  }
  assert.equal([...tokenRuns(Int32Array.from([9, 2, 9])).runs], [2, 0, 1, 9, 1, 3, -1, -1, -1])
  assert.equal([...tokenRuns(Int32Array.from([9, 2, 9])).order], [1, 0, 2])
})

test('embedding: a table without runs that wants a gradient, and ids of another type, are errors', async () => {
  const device = await openTestDevice()
  const table = Tensor.from(device, [1, 2, 3, 4], [2, 2]).requireGrad()
  const y = embedding(table, Tensor.from(device, [0], [1], 'i32'))
  assert.throws(() => y.backward(Tensor.from(device, [1, 1], [1, 2])), /embedding: a trained table needs the runs/)
  for (const dtype of ['f32', 'f16'] as const)
    assert.throws(() => embedding(table, Tensor.empty(device, [1], 'test', dtype)), new RegExp(`embedding: ids: wanted i32, got ${dtype}`))
  assert.throws(
    () => embedding(Tensor.from(device, [1]), Tensor.from(device, [0], [1], 'i32')),
    /embedding: table: wanted \[v, h\], got \[1\]/,
  )
})
