import { checkUnits } from '../../src/doctor'
import type { UnitShape } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { gemm } from '../../src/ops/gemm'
import { type Chooser, choosing } from '../../src/ops/gemm_kernels'
import { deviceUnits, type Room, unitsOf } from '../../src/ops/gemm_units'
import { variants } from '../../src/ops/gemm_variants'
import { assert, openTestDevice, rng, test } from '../harness'
import { sizes, values } from './check'
import { byEach, dense, type Plan, sides } from './gemm_plan'

const shape = (types: string, sizes: string): UnitShape => {
  const [componentType, resultComponentType] = types.split(' ')
  const [M, N, K] = sizes.split('×').map(Number)
  return { componentType, resultComponentType, M, N, K }
}
const large: Room = { subgroup: 32, threads: 1024, storage: 49152 }

test('of what adapters list one shape of a type is taken, as large as its sums allow', () => {
  const nvidia = ['f16 f16', 'f16 f32'].flatMap((types) => ['16×16×16', '16×8×16', '16×8×8'].map((sizes) => shape(types, sizes)))
  const integers = [shape('u8 u32', '16×16×32'), shape('i8 i32', '16×16×32')]
  assert.equal(unitsOf([...nvidia, ...integers], large), [{ type: 'f16', m: 16, n: 16, k: 16, threads: 128, sides: [128, 64] }])
  assert.equal(unitsOf([...nvidia].reverse(), large), unitsOf(nvidia, large), 'the order does not count')
  // A large piece has no room in WebGPU's default.
  assert.equal(unitsOf(nvidia, { ...large, storage: 16384 })[0].sides, [128, 64])
  assert.equal(unitsOf(nvidia, { ...large, storage: 12288 })[0].sides, [64, 32])
  assert.equal(unitsOf(nvidia, { ...large, storage: 4096 }), [])
  const apple = [shape('f32 f32', '8×8×8'), shape('f16 f16', '8×8×8')]
  assert.equal(unitsOf(apple, { ...large, storage: 32768 }), [{ type: 'f32', m: 8, n: 8, k: 8, threads: 128, sides: [64, 32] }])
  const intel = [shape('f16 f32', '8×16×16'), shape('f16 f16', '8×16×16'), shape('i8 i32', '8×16×32')]
  assert.equal(unitsOf(intel, large), [{ type: 'f16', m: 8, n: 16, k: 16, threads: 128, sides: [64, 32] }])
  const lavapipe = ['f16 f16', 'f16 f32', 'u8 u32', 'i8 i32'].map((types) => shape(types, '8×8×8'))
  const room = { subgroup: 8, threads: 1024, storage: 32768 }
  assert.equal(unitsOf(lavapipe, room), [{ type: 'f16', m: 8, n: 8, k: 8, threads: 32, sides: [64, 32] }])
  assert.equal(
    unitsOf([...apple, ...intel], large).map(({ type }) => type),
    ['f16', 'f32'],
  )
})

test('shapes that the kernel cannot take are left alone', () => {
  for (const sizes of ['16×16×4', '12×16×16', '16×16×64', '256×16×16']) assert.equal(unitsOf([shape('f16 f32', sizes)], large), [], sizes)
  assert.equal(unitsOf([shape('f16 f32', '16×16×16')], { ...large, threads: 64 }), [], 'more threads than a group has')
  assert.equal(unitsOf([], large), [])
})

test('without `experimental` nothing of it is asked for, and no product can take it', async () => {
  const device = await openTestDevice({ experimental: false })
  assert.not.ok(device.features.has('chromium-experimental-subgroup-matrix'))
  assert.not.ok(device.gpu.features.has('chromium-experimental-subgroup-matrix' as GPUFeatureName))
  assert.equal([device.units.length, deviceUnits(device).length], [0, 0])
  const { used, says } = await checkUnits(device)
  assert.is(used, false)
  assert.match(says, /^no matrix units here$/)
  device.destroy()
})

/** What a product of 64 × 64 × 64 half floats may take. */
function offered(device: Parameters<typeof checkUnits>[0]): string[] {
  let names: string[] = []
  const look: Chooser = (job) => {
    names = variants(job).filter((name) => name.includes('units'))
    return undefined
  }
  const tensor = Tensor.empty(device, [64, 64], 'test', 'f16')
  const own = device.run
  device.run = () => {}
  choosing(look, () =>
    gemm({ op: 'test', a: { tensor, rowStride: 64 }, b: { tensor, rowStride: 64 }, c: { tensor, rowStride: 64 }, m: 64, n: 64, k: 64 }),
  )
  device.run = own
  return names
}

test('with `experimental` the device computes as any, says whether it has matrix units, and uses them only once they were checked', async () => {
  const lines: string[] = []
  const device = await openTestDevice({ experimental: true, log: (line) => lines.push(line) })
  const has = device.features.has('chromium-experimental-subgroup-matrix')
  assert.match(
    lines.join('\n'),
    has ? / with .*chromium-experimental-subgroup-matrix$/ : /; chromium-experimental-subgroup-matrix is not there$/,
  )
  assert.is(device.units.length > 0, has)
  assert.equal(offered(device), [])
  const { used, says } = await checkUnits(device)
  assert.is(used, has, says)
  assert.match(says, has ? /^matrix units \(.*\) take products, their kernels were found right$/ : /^no matrix units here$/)
  assert.is(offered(device).length > 0, has)
  const sum = Tensor.from(device, [1, 2, 3])
  assert.equal([...(await sum.data())], [1, 2, 3])
  device.destroy()
})

test('products by matrix units against float64: batches, strides, offsets, epilogues, random sizes; without them by no such kernel', async () => {
  const device = await openTestDevice({ experimental: true })
  const { used } = await checkUnits(device)
  const value = values()
  const size = sizes()
  const random = rng()
  const seen = new Set<string>()
  if (device.features.has('shader-f16'))
    for (const half of ['ABC', 'AB'])
      for (const [ta, tb] of sides)
        for (const [m, n, k, more] of [
          [64, 64, 32, {}],
          [4 * size(40), 4 * size(40), 4 * size(20), { alpha: random.next() + 0.5, bias: true, accumulate: true }],
          [size(20), size(20), size(20), { batch1: 3, alpha: -0.5 }],
        ] as const) {
          const p: Plan = { ...dense(m, n, k, ta, tb, more), half }
          const spread = (matrix: Plan['a'], rows: number): Plan['a'] => {
            const rowStride = matrix.rowStride + 4 - (matrix.rowStride % 4)
            return { ...matrix, offset: 8, rowStride, stride1: rowStride * rows + 4 }
          }
          const spreadOut = { ...p, a: spread(p.a, ta ? k : m), b: spread(p.b, tb ? n : k), c: spread(p.c, m) }
          for (const name of await byEach(device, spreadOut, value, (variant) => variant.startsWith('units'))) seen.add(`${name} ${half}`)
        }
  const [unit] = deviceUnits(device)
  const wanted = used && unit.type === 'f16' ? unit.sides.flatMap((side) => ['ABC', 'AB'].map((half) => `units-${side} ${half}`)) : []
  if (!used || unit.type === 'f16') assert.equal([...seen].sort(), wanted.sort())
  device.destroy()
})
