import type { Device } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { gemm } from '../../src/ops/gemm'
import { choosing, type Variant } from '../../src/ops/gemm_kernels'
import { shapeName } from '../../src/ops/gemm_variants'
import { assert, openTestDevice, rng, test } from '../harness'
import { productForms, sizes, values } from './check'
import { byEach, check, dense, type Plan, sides } from './gemm_plan'
import { withHalves } from './half'

const [nn, nt, tn] = sides
/** What training multiplies: which of A, B and C are half floats, and the sides that are then transposed. */
const kinds = [
  { half: 'ABC', turned: sides }, // y = x·Wᵀ; attention's products
  { half: 'A', turned: [nt, tn] }, // h = x·Aᵀ, B = W·Θᵀ; dv = pᵀ·dy
  { half: 'B', turned: [nn, nt, tn] }, // dx = dy·W, A = Θ·Wᵀ; dA = dhᵀ·x
  { half: 'C', turned: [nt] }, // y += s·h·Bᵀ
]

/** Sizes that are whole vec4s only where vec4s run, and their places: a vec4 that begins anywhere in a binding. */
function vectors(ta: boolean, tb: boolean, more: Partial<Plan>): Plan {
  const p = dense(ta ? 12 : 9, tb ? 7 : 20, ta && !tb ? 131 : 132, ta, tb, more)
  for (const [i, name] of (['a', 'b', 'c'] as const).entries()) p[name] = { ...p[name], offset: 132 + 4 * i }
  return p
}

for (const { half, turned } of kinds)
  test(`every kernel with ${[...half].join(', ')} in half floats, as training transposes the sides, against float64`, async () => {
    const device = await openTestDevice()
    const value = values()
    const seen = new Set<Variant>()
    const all = half === 'ABC'
    // A driver may take seconds to compile one: what differs from others by a size or an order alone is tried with all three only.
    const among = (name: Variant) =>
      name.startsWith('split') ? all && /^split-2×(plain|blocks-8)$/.test(name) : all || !/^(blocks-16|ahead)/.test(name)
    await withHalves(device, () =>
      productForms(device, async (form) => {
        for (const [ta, tb] of turned)
          for (const p of [
            vectors(ta, tb, { half, bias: true, alpha: -0.5 }),
            dense(12, 20, 132, ta, tb, { half, accumulate: true }),
            dense(9, 7, 131, ta, tb, { half, bias: true, accumulate: true }),
          ])
            for (const name of await byEach(device, { ...p, name: `${p.name}, ${form}` }, value, among)) seen.add(name)
      }),
    )
    if (!device.features.has('shader-f16')) return
    const names = [
      'plain',
      'direct-8x8',
      'tiled',
      'blocks-8',
      ...(all ? ['blocks-16', 'ahead-8', 'ahead-16', 'split-2×plain', 'split-2×blocks-8'] : []),
    ]
    assert.equal(
      names.filter((name) => !seen.has(name)),
      [],
    )
  })

test('products with half floats: random shapes, sides, offsets, gaps that stay as they are, batches', async () => {
  const device = await openTestDevice()
  const value = values()
  const size = sizes()
  const random = rng()
  await withHalves(device, () =>
    productForms(device, async (form) => {
      for (let i = 0; i < 16; i++) {
        const [m, n, k] = [size(60), size(60), size(80)].map((v) => (i % 2 ? Math.ceil(v / 4) * 4 : v))
        const [ta, tb] = sides[random.int(0, 3)]
        const some = () => (i % 2 ? 4 : 1) * random.int(0, 70)
        const wide = (rows: number, columns: number, transposed: boolean) => {
          const rowStride = (transposed ? rows : columns) + some()
          return { offset: some(), rowStride, stride0: rowStride * (transposed ? columns : rows) + some(), transposed }
        }
        const flags = { batch0: random.int(1, 3), alpha: random.next() + 0.5, bias: random.next() < 0.5, accumulate: random.next() < 0.5 }
        const { half } = kinds[(i >> 1) % 4]
        const p: Plan = { name: '', m, n, k, a: wide(m, k, ta), b: wide(k, n, tb), c: wide(m, n, false), half, ...flags }
        await check(device, { ...p, name: `${JSON.stringify(p)}, ${form}` }, value)
      }
    }),
  )
})

test('a binding holds twice as many half floats; what exceeds it is cut', async () => {
  const device = await openTestDevice({ cap: { maxStorageBufferBindingSize: 65536 } })
  const value = values()
  await withHalves(device, async () => {
    const made = (half: string, n: number) => check(device, { ...dense(5, n, 24, false, true, { half }), name: `${half} ${n}` }, value)
    // B of 24 · 1300 numbers: 62,400 bytes in half floats.
    assert.is(await made('AB', 1300), 1)
    assert.is(await made('A', 1300), 2)
    assert.is(await made('ABC', 1400), 2)
    // Along k too.
    await check(device, { ...dense(5, 24, 1400, true, false, { half: 'AB', bias: true }), name: 'along k' }, value)
  })
  device.destroy()
})

/** What a product of half floats tells of itself. */
async function told(device: Device, half: string): Promise<{ name: string; bytes: number }> {
  const own = device.run
  let [name, bytes] = ['', 0]
  device.run = (d) => void (bytes = d.bytes ?? 0)
  try {
    const empty = (letter: string, size: number) => Tensor.empty(device, [size], 'test', half.includes(letter) ? 'f16' : 'f32')
    choosing(
      (job) => void (name = shapeName(job)) as undefined,
      () =>
        gemm({
          op: 'test',
          a: { tensor: empty('A', 24), rowStride: 6 },
          b: { tensor: empty('B', 30), rowStride: 5 },
          c: { tensor: empty('C', 20), rowStride: 5 },
          m: 4,
          n: 5,
          k: 6,
        }),
    )
  } finally {
    device.run = own
  }
  return { name, bytes }
}

test('a product with half floats is another product to tuners, and moves fewer bytes', async () => {
  const device = await openTestDevice()
  assert.equal(await told(device, ''), { name: 'A·B 4×5×6 odd', bytes: 4 * (24 + 30 + 20) })
  assert.equal(await told(device, 'AC'), { name: 'A·B 4×5×6 odd half AC', bytes: 2 * 24 + 4 * 30 + 2 * 20 })
  assert.equal(await told(device, 'ABC'), { name: 'A·B 4×5×6 odd half ABC', bytes: 2 * (24 + 30 + 20) })
})

test('a bias in half floats is refused', async () => {
  const device = await openTestDevice()
  const tensor = Tensor.empty(device, [16], 'test')
  const of = { tensor, rowStride: 4 }
  const bias = Tensor.empty(device, [4], 'test', 'f16')
  assert.throws(() => gemm({ op: 'product', a: of, b: of, c: of, m: 4, n: 4, k: 4, bias }), /product: bias: wanted f32, got f16/)
})
