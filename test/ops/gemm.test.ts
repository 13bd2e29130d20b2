import { Tensor } from '../../src/graph'
import { type Gemm, gemm } from '../../src/ops/gemm'
import { assert, openTestDevice, rng, test } from '../harness'
import { bothForms, dispatches, productForms, sizes, values } from './check'
import { check, dense, type Plan, sides } from './gemm_plan'

test('gemm: alpha, bias and accumulate, each alone and together, either side transposed; both kernels', async () => {
  const device = await openTestDevice()
  const value = values()
  await productForms(device, async (form) => {
    for (const [ta, tb] of sides)
      for (const [m, n, k] of [
        [9, 7, 5],
        [12, 40, 8],
      ])
        for (const more of [{ alpha: -0.5 }, { bias: true }, { accumulate: true }, { alpha: 3, bias: true, accumulate: true }]) {
          const p = dense(m, n, k, ta, tb, more)
          await check(device, { ...p, name: `${p.name}, ${form}` }, value)
        }
  })
})

test('gemm: heads as strides: batches of two levels, rows wider than a head, offsets; both kernels', async () => {
  const device = await openTestDevice()
  const value = values()
  await productForms(device, async (form) => {
    for (const [heads, d, length, offset] of [
      [2, 8, 12, 0],
      [3, 5, 7, 3],
      [4, 16, 36, 4],
      [1, 20, 33, 8],
    ]) {
      const hidden = heads * d
      const batch = 3
      const head = (transposed: boolean) => ({ offset, rowStride: hidden, stride0: length * hidden, stride1: d, transposed })
      const square = (transposed: boolean) => ({ rowStride: length, stride0: heads * length ** 2, stride1: length ** 2, transposed })
      const both = { batch0: batch, batch1: heads, alpha: 0.25 }
      const name = `${heads} heads of ${d}, length ${length}, ${form}`
      await check(
        device,
        { name: `q·kᵀ, ${name}`, m: length, n: length, k: d, a: head(false), b: head(true), c: square(false), ...both },
        value,
      )
      await check(
        device,
        { name: `p·v, ${name}`, m: length, n: d, k: length, a: square(false), b: head(false), c: head(false), ...both },
        value,
      )
      await check(
        device,
        { name: `pᵀ·o, ${name}`, m: length, n: d, k: length, a: square(true), b: head(false), c: head(false), ...both },
        value,
      )
    }
  })
})

test('gemm: one operand shared by all batches (stride 0), rows with gaps that stay as they are', async () => {
  const device = await openTestDevice()
  const value = values()
  await productForms(device, async (form) => {
    for (const [m, n, k, gap] of [
      [8, 12, 4, 4],
      [5, 9, 7, 3],
    ])
      await check(
        device,
        {
          name: `shared b, gap ${gap}, ${form}`,
          m,
          n,
          k,
          batch0: 4,
          a: { rowStride: k + gap, stride0: m * (k + gap) },
          b: { rowStride: n + gap },
          c: { offset: gap, rowStride: n + gap, stride0: m * (n + gap) },
        },
        value,
      )
  })
})

test('gemm: random shapes, sides, offsets and strides; both kernels', async () => {
  const device = await openTestDevice()
  const value = values()
  const size = sizes()
  const random = rng()
  await productForms(device, async (form) => {
    for (let i = 0; i < 12; i++) {
      const [m, n, k] = [size(70), size(70), size(90)]
      const [ta, tb] = [random.next() < 0.5, random.next() < 0.5]
      const some = () => (random.next() < 0.5 ? 0 : random.int(1, 8))
      const wide = (rows: number, columns: number, transposed: boolean) => {
        const rowStride = (transposed ? rows : columns) + some()
        return { offset: some(), rowStride, stride0: rowStride * (transposed ? columns : rows) + some(), transposed }
      }
      const flags = { batch0: random.int(1, 3), alpha: random.next() + 0.5, bias: random.next() < 0.5, accumulate: random.next() < 0.5 }
      const p: Plan = { name: '', m, n, k, a: wide(m, k, ta), b: wide(k, n, tb), c: wide(m, n, false), ...flags }
      await check(device, { ...p, name: `${JSON.stringify(p)}, ${form}` }, value)
    }
  })
})

test('gemm: under a binding of 64 KiB it is cut along rows, columns, k or the batch, and k in order', async () => {
  const device = await openTestDevice({ cap: { maxStorageBufferBindingSize: 65536, maxComputeWorkgroupsPerDimension: 64 } })
  const value = values()
  await productForms(device, async (form) => {
    for (const [m, n, k, ta, tb] of [
      [6, 5, 4099, false, true], // rows of A and of B
      [4, 8, 4096, true, false], // k runs along the rows of both: cut and added up
      [8, 9, 2051, true, false],
      [3, 4100, 12, false, false], // rows of B over a binding: cut along k
      [2050, 9, 8, false, false],
      [2050, 4, 16, true, true],
      [150, 130, 140, true, true],
    ] as const)
      for (const more of [{}, { alpha: 2, bias: true, accumulate: true }]) {
        const p = dense(m, n, k, ta, tb, more)
        const made = await check(device, { ...p, name: `${p.name}, ${form}` }, value)
        assert.ok(made > 1, `${p.name}: in ${made} dispatch`)
      }
    const head = { rowStride: 96, stride0: 40 * 96, stride1: 32 }
    const square = { rowStride: 40, stride0: 3 * 1600, stride1: 1600 }
    const p: Plan = {
      name: `heads, ${form}`,
      m: 40,
      n: 40,
      k: 32,
      batch0: 7,
      batch1: 3,
      a: head,
      b: { ...head, transposed: true },
      c: square,
    }
    assert.ok((await check(device, p, value)) > 1)
    // One batch alone exceeds the binding while its heads lie side by side: its rows are cut.
    const long = { rowStride: 96, stride0: 180 * 96, stride1: 48 }
    const wide = { rowStride: 180, stride0: 2 * 180 ** 2, stride1: 180 ** 2 }
    await check(
      device,
      { name: `long heads, ${form}`, m: 180, n: 180, k: 48, batch1: 2, a: long, b: { ...long, transposed: true }, c: wide },
      value,
    )
  })
  device.destroy()
})

test('gemm: nothing to compute makes no dispatch; nothing to sum over and a row over a binding are errors', async () => {
  const device = await openTestDevice({ cap: { maxStorageBufferBindingSize: 65536 } })
  const tensor = Tensor.from(device, new Float32Array(17000))
  const of = (m: number, n: number, k: number): Gemm => ({
    op: 'product',
    a: { tensor, rowStride: k },
    b: { tensor, rowStride: k, transposed: true },
    c: { tensor: Tensor.from(device, new Float32Array(4)), rowStride: n },
    m,
    n,
    k,
  })
  for (const [m, n] of [
    [0, 3],
    [3, 0],
  ])
    assert.equal(
      dispatches(device, () => gemm(of(m, n, 4))),
      [],
    )
  assert.throws(() => gemm(of(1, 1, 0)), /product: nothing to sum over: the inner dimension is 0/)
  assert.throws(() => gemm(of(1, 1, 17000)), /product: one row of 17000 numbers exceeds this device's binding of 65536 bytes/)
  device.destroy()
})

test('gemm: as many tiles as fill a GPU, either side transposed; both kernels', async () => {
  const device = await openTestDevice()
  const value = values()
  await bothForms(device, async (form) => {
    for (const [batch0, m, n, k, turned] of [
      [192, 52, 48, 12, sides.slice(0, 3)],
      [192, 96, 100, 4, sides.slice(1, 2)],
    ] as const)
      for (const [ta, tb] of turned) {
        const strides = { a: m * k, b: k * n, c: m * n }
        const p = dense(m, n, k, ta, tb, { batch0, bias: true, alpha: 0.5 })
        for (const key of ['a', 'b', 'c'] as const) p[key] = { ...p[key], stride0: strides[key] }
        await check(device, { ...p, name: `${p.name}, ${form}` }, value)
      }
  })
})
