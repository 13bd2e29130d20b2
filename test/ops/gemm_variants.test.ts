import { Tensor } from '../../src/graph'
import { gemm } from '../../src/ops/gemm'
import { type Chooser, choosing, type Job, type Variant } from '../../src/ops/gemm_kernels'
import type { Part } from '../../src/ops/gemm_operands'
import { chooserOf, likely, shapeName, variants } from '../../src/ops/gemm_variants'
import { assert, openTestDevice, rng, test } from '../harness'
import { asOnGpus, productForms, sizes, values } from './check'
import { byEach, check, dense, type Plan, sides } from './gemm_plan'

/** What `variants` asks of a product besides its sizes. */
const jobLike = { skip: { a: 0, b: 0, c: 0, bias: 0 }, batch0: 1, batch1: 1, batches: 1, alpha: 1, epilogue: 0, bias: null }

test('every variant of a product, k in parts among them, against float64', async () => {
  const device = await openTestDevice()
  const value = values()
  const seen = new Set<string>()
  await productForms(device, async (form) => {
    for (const [ta, tb] of sides)
      for (const [m, n, k, more] of [
        [12, 8, 200, { alpha: -0.5, bias: true, accumulate: true }],
        [9, 7, 131, { bias: true }],
        [8, 36, 268, {}],
      ] as const) {
        const p = dense(m, n, k, ta, tb, more)
        const tried = await byEach(device, { ...p, name: `${p.name}, ${form}` }, value)
        for (const name of tried) seen.add(name)
        assert.ok(
          tried.some((name) => name.startsWith('split-2×')),
          `${tried}`,
        )
      }
  })
  const parts = ['split-2×plain', 'split-2×blocks-16']
  for (const name of ['plain', 'direct-8x4', 'direct-8x8', 'tiled', 'blocks-8', 'blocks-16', 'ahead-8', 'ahead-16', ...parts])
    assert.ok(seen.has(name), `${name} is not among ${[...seen]}`)
})

test('narrow tiles for few rows or columns, k in parts too: against float64', async () => {
  const device = await openTestDevice()
  const value = values()
  const seen = new Set<string>()
  await asOnGpus(device, async () => {
    for (const [m, n, k, more] of [
      [261, 7, 19, { bias: true }],
      [140, 8, 132, { bias: true, accumulate: true }],
      [70, 13, 36, { alpha: -0.5 }],
      [5, 259, 33, { bias: true, accumulate: true }],
      [8, 140, 130, {}],
      [16, 132, 20, { accumulate: true }],
    ] as const)
      for (const [ta, tb] of sides)
        for (const name of await byEach(device, dense(m, n, k, ta, tb, more), value, (variant) => !/split-2×tiled$/.test(variant)))
          seen.add(name)
  })
  const parts = ['split-2×tiled-128x8', 'split-2×tiled-8x128']
  for (const name of ['tiled-128x8', 'tiled-64x16', 'tiled-8x128', 'tiled-16x64', 'direct-8x4', 'direct-8x8', 'plain', ...parts])
    assert.ok(seen.has(name), `${name} is not among ${[...seen]}`)
})

test('narrow tiles are offered of few rows or columns alone, and taken unasked where there are enough of them', async () => {
  const device = await openTestDevice()
  const offered = (m: number, n: number, k: number, more: Partial<Job> = {}) => {
    const tensor = Tensor.empty(device, [64], 'test')
    const part = { op: 'x', a: { tensor, rowStride: k }, b: { tensor, rowStride: n }, c: { tensor, rowStride: n } }
    return variants({ ...jobLike, ...part, m, n, k, flops: 2 * m * n * k, ...more } as Job).filter((name) => !name.startsWith('split'))
  }
  await asOnGpus(device, async () => {
    assert.equal(offered(2048, 8, 768), ['tiled', 'tiled-128x8', 'tiled-64x16', 'direct-8x4'])
    assert.equal(offered(2048, 9, 768), ['tiled', 'tiled-64x16', 'plain'])
    assert.equal(offered(16, 768, 2048), ['tiled', 'tiled-16x64', 'direct-8x4'])
    assert.equal(offered(8, 770, 2048), ['tiled', 'tiled-8x128', 'tiled-16x64', 'plain'])
    assert.equal(offered(8, 32, 8), ['tiled', 'blocks-8', 'blocks-16', 'direct-8x4'], 'one tile has room for all')
    assert.equal(offered(512, 17, 65), ['tiled', 'plain'], 'more columns')
    assert.equal(offered(96, 96, 65), ['tiled'])
    assert.equal(offered(24576, 8, 768)[0], 'tiled-128x8')
    assert.equal(offered(24575, 8, 768)[0], 'tiled')
    assert.equal(offered(12, 2048, 768, { batches: 12 })[0], 'tiled-16x64')
  })
})

test('reading ahead, k and n baked into the kernel, and both: against float64, and to the bit what neither gives', async () => {
  const device = await openTestDevice()
  const value = values()
  const random = rng()
  for (const side of [8, 16])
    for (const [m, n, k, tb, more] of [
      [8 * side + 5, 8 * side + 12, 20, false, { bias: true }],
      [3, 36, 132, true, { alpha: -0.5, accumulate: true }],
      [20, 8 * side + 1, 8, true, { bias: true, accumulate: true }],
    ] as const) {
      const p = dense(m, n, k, false, tb, more)
      const names = ['ahead', 'baked-blocks', 'baked-ahead'].map((kernel) => `${kernel}-${side}`)
      for (const name of names)
        await choosing(
          () => name,
          () => check(device, { ...p, name: `${p.name}, ${name}` }, value),
        )
      const [a, b] = [random.normal(m * k), random.normal(n * k)].map((data) => Tensor.from(device, data))
      const run = async (variant: Variant) => {
        const c = Tensor.from(device, new Float32Array(m * n))
        const B = { tensor: b, rowStride: tb ? k : n, transposed: tb }
        choosing(
          () => variant,
          () => gemm({ op: 'forms', a: { tensor: a, rowStride: k }, b: B, c: { tensor: c, rowStride: n }, m, n, k }),
        )
        return [...(await c.data())]
      }
      const wanted = await run(`blocks-${side}`)
      for (const name of names) assert.equal(await run(name), wanted, name)
    }
})

test('k and n baked in are offered of large products of weights alone, reading ahead of a long k, both on GPUs', async () => {
  const device = await openTestDevice()
  const flag = device as { software: boolean }
  const own = flag.software
  const offered = (m: number, n: number, k: number, more: Partial<Part> = {}) => {
    const tensor = Tensor.empty(device, [64], 'test')
    const part = { op: 'x', a: { tensor, rowStride: k }, b: { tensor, rowStride: n }, c: { tensor, rowStride: n } }
    const all = variants({ ...jobLike, ...part, m, n, k, flops: 2 * m * n * k, ...more } as Job)
    return all.filter((name) => /baked|ahead/.test(name))
  }
  try {
    flag.software = false
    const ahead = ['ahead-8', 'ahead-16']
    assert.equal(offered(2048, 768, 768), [...ahead, ...['blocks-8', 'blocks-16', ...ahead].map((name) => `baked-${name}`)])
    assert.equal(offered(2048, 770, 768), [], 'no whole vec4s')
    assert.equal(offered(64, 768, 768), ahead, 'small')
    assert.equal(offered(2048, 768, 768, { batches: 2 } as Partial<Part>), ahead, 'of several')
    assert.equal(offered(4096, 4096, 60), ['baked-blocks-8', 'baked-blocks-16'], 'few k')
    flag.software = true
    assert.equal(offered(2048, 768, 768), [])
  } finally {
    flag.software = own
  }
})

test('k in parts: batches of either level, strides, offsets, gaps that stay as they are; random sizes', async () => {
  const device = await openTestDevice()
  const value = values()
  const size = sizes()
  const random = rng()
  await productForms(device, async (form) => {
    for (let i = 0; i < 6; i++) {
      const [m, n, k] = [size(20), size(20), 128 + size(150)].map((v) => (i % 2 ? Math.ceil(v / 4) * 4 : v))
      const [ta, tb] = sides[random.int(0, 3)]
      const count = random.int(1, 3)
      const level = i % 3 ? 'batch0' : 'batch1'
      const some = () => 4 * random.int(0, 2)
      const wide = (rows: number, columns: number, transposed: boolean) => {
        const rowStride = (transposed ? rows : columns) + some()
        const stride = rowStride * (transposed ? columns : rows) + some()
        return { offset: some(), rowStride, transposed, [level === 'batch0' ? 'stride0' : 'stride1']: stride }
      }
      const flags = { alpha: random.next() + 0.5, bias: random.next() < 0.5, accumulate: random.next() < 0.5 }
      const p: Plan = { name: '', m, n, k, [level]: count, a: wide(m, k, ta), b: wide(k, n, tb), c: wide(m, n, false), ...flags }
      const tried = await byEach(device, { ...p, name: `${JSON.stringify(p)}, ${form}` }, value)
      assert.ok(
        tried.some((name) => name.startsWith('split-')),
        `${tried}`,
      )
    }
  })
})

test('k in parts gives the same bits twice, in another order of sums', async () => {
  const device = await openTestDevice()
  const random = rng()
  const [a, b] = [random.normal(12 * 1024), random.normal(1024 * 20)].map((data) => Tensor.from(device, data))
  const product = async (variant: Variant) => {
    const c = Tensor.from(device, new Float32Array(240))
    const matrices = { a: { tensor: a, rowStride: 1024 }, b: { tensor: b, rowStride: 20 }, c: { tensor: c, rowStride: 20 } }
    choosing(
      () => variant,
      () => gemm({ op: 'twice', ...matrices, m: 12, n: 20, k: 1024 }),
    )
    return [...(await c.data())]
  }
  assert.equal(await product('split-8×tiled'), await product('split-8×tiled'))
  assert.not.equal(await product('split-8×tiled'), await product('tiled'), 'the sums are in another order')
})

test('a shape takes the choice of the same shape, else of the nearest of its kind, else the usual', async () => {
  const choices = { 'A·Bᵀ 1024×768×768 +bias': 'one', 'A·Bᵀ 256×768×768 +bias': 'two', 'Aᵀ·B 8×768×1024 of 12': 'three' }
  assert.is(likely(choices, 'A·Bᵀ 1024×768×768 +bias', 0), 'one')
  assert.is(likely(choices, 'A·Bᵀ 900×768×768 +bias', 2), 'one')
  assert.is(likely(choices, 'A·Bᵀ 300×768×768 +bias', 2), 'two')
  assert.is(likely(choices, 'A·Bᵀ 300×768×768 +bias', 0.1), undefined)
  assert.is(likely(choices, 'A·Bᵀ 1024×768×768', 2), undefined, 'another epilogue')
  assert.is(likely(choices, 'A·B 1024×768×768 +bias', 2), undefined, 'other sides')
  assert.is(likely(choices, 'A·Bᵀ 1024×3072×3072 +bias', 2), undefined, 'four times as many either way')
  assert.is(likely(choices, 'Aᵀ·B 8×768×1024 of 24', 1), 'three')
  assert.is(likely(choices, 'nonsense', 2), undefined)
  assert.is(likely({ nonsense: 'x' }, 'A·B 1×1×1', 2), undefined)
})

test('a choice that this device cannot follow gives way to the usual kernel', async () => {
  const device = await openTestDevice()
  const taken: (string | undefined)[] = []
  const chosen = (variant: string) => {
    const ask: Chooser = (job) => {
      taken.push(chooserOf({ [shapeName(job)]: variant })(job))
      return undefined
    }
    return choosing(ask, () => check(device, dense(8, 12, 256, true, false), values()))
  }
  const kind = device.software ? 'plain' : 'tiled'
  for (const variant of [kind, `split-2×${kind}`, `split-3×${kind}`, 'nothing', 'split-2×nothing', '']) await chosen(variant)
  assert.equal(taken, [kind, `split-2×${kind}`, undefined, undefined, undefined, undefined])
})
