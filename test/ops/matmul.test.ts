import { Tensor } from '../../src/graph'
import { matmul } from '../../src/ops/matmul'
import { assert, openTestDevice, test } from '../harness'
import { bothForms, checkOp, product, productForms, sizes as randomSizes, values } from './check'

interface Sizes {
  m: number
  n: number
  k: number
  batch?: number[]
  /** b has no batch of its own. */
  shared?: boolean
}

// Odd; multiples of 4 (the direct kernel's); one past its tiles of 8 and past the 32 of the tiled one; skinny; one row.
const sizes: Sizes[] = [
  { m: 1, n: 1, k: 1 },
  { m: 1, n: 5, k: 7 },
  { m: 3, n: 2, k: 33 },
  { m: 4, n: 8, k: 12 },
  { m: 36, n: 44, k: 20 },
  { m: 33, n: 65, k: 17 },
  { m: 67, n: 8, k: 129 },
  { m: 8, n: 132, k: 68 },
  { m: 12, n: 20, k: 4, batch: [3] },
  { m: 7, n: 5, k: 9, batch: [2, 3] },
  { m: 12, n: 20, k: 8, batch: [2, 2], shared: true },
  { m: 5, n: 9, k: 3, batch: [4], shared: true },
]

function matmulCase({ m, n, k, batch = [], shared = false }: Sizes, ta: boolean, tb: boolean) {
  const count = batch.reduce((p, d) => p * d, 1)
  const part = (x: Float64Array, i: number, size: number) => (x.length === size ? x : x.subarray(i * size, (i + 1) * size))
  const each = (f: (i: number) => Float64Array) => Float64Array.from(Array.from({ length: count }, (_, i) => [...f(i)]).flat())
  return {
    name: `matmul ${ta ? 'T' : 'N'}${tb ? 'T' : 'N'} m ${m} n ${n} k ${k} batch [${batch}]${shared ? ' shared b' : ''}`,
    shapes: [
      [...batch, ...(ta ? [k, m] : [m, k])],
      [...(shared ? [] : batch), ...(tb ? [n, k] : [k, n])],
    ],
    run: (a: Tensor, b: Tensor) => matmul(a, b, { transposeA: ta, transposeB: tb }),
    forward: (a: Float64Array, b: Float64Array) => each((i) => product(part(a, i, m * k), part(b, i, k * n), m, n, k, ta, tb)),
    // da = dy·bᵀ and db = aᵀ·dy, or their transposes where a and b are stored so.
    backward: (dy: Float64Array, a: Float64Array, b: Float64Array) => {
      const [dyAt, aAt, bAt] = [(i: number) => part(dy, i, m * n), (i: number) => part(a, i, m * k), (i: number) => part(b, i, k * n)]
      const da = each((i) => (ta ? product(bAt(i), dyAt(i), k, m, n, tb, true) : product(dyAt(i), bAt(i), m, k, n, false, !tb)))
      const db = each((i) => (tb ? product(dyAt(i), aAt(i), n, k, m, true, ta) : product(aAt(i), dyAt(i), k, n, m, !ta, false)))
      if (shared) for (let i = k * n; i < db.length; i++) db[i % (k * n)] += db[i]
      return [da, shared ? db.subarray(0, k * n) : db]
    },
  }
}

test('matmul: the gradient of the reference is that of its differences', async () => {
  const device = await openTestDevice()
  const value = values()
  for (const ta of [false, true])
    for (const tb of [false, true]) {
      const { name, shapes, run, forward } = matmulCase({ m: 3, n: 2, k: 5, batch: [2], shared: true }, ta, tb)
      await checkOp(device, { name, inputs: shapes.map((s) => value(s)), run, forward })
    }
})

test('matmul: either side transposed, batched, b shared; both kernels', async () => {
  const device = await openTestDevice()
  const value = values()
  await productForms(device, async (form) => {
    const some = randomSizes()
    const random = [1, 2, 3].map((batch) => ({ m: some(60), n: some(60), k: some(60), batch: [batch] }))
    for (const size of [...sizes, ...random])
      for (const ta of [false, true])
        for (const tb of [false, true]) {
          const { shapes, ...rest } = matmulCase(size, ta, tb)
          await checkOp(device, { ...rest, name: `${rest.name}, ${form}`, inputs: shapes.map((s) => value(s)) })
        }
  })
})

test('matmul: either side, or both, in half floats: y as a, gradients f32; both kernels', async () => {
  const device = await openTestDevice()
  const value = values()
  await bothForms(device, async (form) => {
    for (const half of [[0, 1], [0], [1]])
      for (const size of [sizes[5], sizes[4], sizes[9], sizes[10]])
        for (const [ta, tb] of [
          [false, true],
          [true, false],
        ]) {
          const { shapes, ...rest } = matmulCase(size, ta, tb)
          await checkOp(device, { ...rest, name: `${rest.name}, ${half} half, ${form}`, inputs: shapes.map((s) => value(s)), half })
        }
  })
})

test('matmul: operands over 64 KiB in every direction', async () => {
  const device = await openTestDevice()
  const value = values()
  await productForms(device, async (form) => {
    for (const [m, n, k] of [
      [260, 132, 148],
      [20, 28, 2400],
      [2401, 9, 21],
      [9, 2401, 21],
    ])
      for (const [ta, tb] of [
        [false, false],
        [false, true],
        [true, false],
      ]) {
        const { shapes, ...rest } = matmulCase({ m, n, k }, ta, tb)
        await checkOp(device, { ...rest, name: `${rest.name}, ${form}`, inputs: shapes.map((s) => value(s)) })
      }
  })
})

test('matmul: the same bits every time', async () => {
  const device = await openTestDevice()
  const value = values()
  const [a, b] = [value([65, 130]), value([130, 33])].map(({ data, shape }) => Tensor.from(device, data, shape))
  const first = [...(await matmul(a, b).data())]
  for (let i = 0; i < 3; i++) assert.equal([...(await matmul(a, b).data())], first)
})

test('matmul: shapes that do not fit are an error', async () => {
  const device = await openTestDevice()
  const make = (shape: number[]) => Tensor.from(device, new Float32Array(shape.reduce((n, d) => n * d, 1)), shape)
  assert.throws(() => matmul(make([2]), make([2, 2])), /matmul: a: wanted at least two dimensions, got \[2\]/)
  assert.throws(() => matmul(make([2, 2]), make([2])), /matmul: b: wanted at least two dimensions, got \[2\]/)
  assert.throws(() => matmul(make([2, 3]), make([4, 2])), /matmul: the inner dimensions: wanted .*3.*, got \[2,3\] · \[4,2\]/)
  assert.throws(() => matmul(make([2, 3, 4]), make([3, 4, 5])), /matmul: the batch of b: wanted \[2\] or none, got \[3\]/)
})
