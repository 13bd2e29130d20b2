import type { Device, Dispatch } from '../../src/gpu'
import { fold, UniformBlock } from '../../src/gpu/commands'
import { Tensor } from '../../src/graph'
import { assert, openTestDevice, rng, takeGpuErrors, test } from '../harness'

// Each group adds to its own element: a group that runs twice, or never, shows.
const counting = `
struct Params { base: u32, total: u32, add: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (g >= p.total) { return; }
  out[g] += g + p.add;
}`

async function countsAll(device: Device, groups: number, flops = 0): Promise<void> {
  const out = Tensor.from(device, new Uint32Array(groups), [groups], 'u32')
  device.run({ op: 'count', shader: counting, bind: [out.bind()], words: [3], groups, flops } satisfies Dispatch)
  const got = await out.integers()
  assert.is(
    got.findIndex((v, g) => v !== g + 3),
    -1,
    `${groups} groups: each runs once`,
  )
  out.dispose()
}

test('fold: within the limit, enough groups, little waste; refused by name beyond', () => {
  const random = rng()
  const max = 65535
  assert.equal(fold(1, max, 'x'), [1, 1, 1])
  assert.equal(fold(65535, max, 'x'), [65535, 1, 1])
  assert.equal(fold(65536, max, 'x'), [32768, 2, 1])
  assert.equal(fold(64 ** 3, 64, 'x'), [64, 64, 64])
  const cases = [2 ** 20, 2 ** 31 - 1, ...Array.from({ length: 500 }, () => random.int(1, 2 ** 31))].map((n) => [n, max])
  const capped = Array.from({ length: 500 }, () => [random.int(1, 64 ** 3), 64])
  for (const [n, most] of [...cases, ...capped]) {
    const grid = fold(n, most, 'x')
    const product = grid[0] * grid[1] * grid[2]
    assert.ok(grid.every((d) => d >= 1 && d <= most) && product >= n, `${n} of ${most}: ${grid}`)
    assert.ok(product - n <= grid[1] * grid[2] + grid[2] * most, `${n} of ${most}: ${grid} wastes ${product - n}`)
    assert.ok(product < 2 ** 32, 'ids fit u32')
  }
  assert.throws(() => fold(64 ** 3 + 1, 64, 'softmax'), /softmax: 262145 workgroups are more than this device can launch \(262144\)/)
  assert.throws(() => fold(2 ** 31 + 1, max, 'softmax'), /softmax: .* can launch/)
})

test('65,535, 65,536 and 2^20 groups: each runs exactly once', async () => {
  const device = await openTestDevice({ cap: { maxComputeWorkgroupsPerDimension: 65535 } })
  for (const groups of [65535, 65536, 2 ** 20]) await countsAll(device, groups)
  device.destroy()
})

test('a dispatch cut into ranges of folded groups: each group runs exactly once', async () => {
  const device = await openTestDevice({ cap: { maxComputeWorkgroupsPerDimension: 64 }, submitBudgetMs: 1 })
  const { pacer } = device
  pacer.scale *= (20 * pacer.budget) / pacer.estimate({ flops: 3e7, bytes: 0 })
  const before = pacer.submits
  await countsAll(device, 50_021, 3e7)
  assert.ok(pacer.submits - before > 1, 'more than one submit')
  device.destroy()
})

test('more groups than fold into three dimensions are refused with the name of the op', async () => {
  const device = await openTestDevice({ cap: { maxComputeWorkgroupsPerDimension: 4 } })
  await countsAll(device, 64)
  await assert.rejects(() => countsAll(device, 65), /count: 65 workgroups/)
  takeGpuErrors()
  device.destroy()
})

test('uniforms: aligned, in order, floats by bits; too many words are an error', () => {
  const block = new UniformBlock()
  const offsets = Array.from({ length: 50 }, (_, i) => block.add(i, i + 1, [7, { f32: 0.5 }]))
  assert.equal(
    offsets,
    offsets.map((_, i) => 256 * i),
  )
  const words = new Uint32Array(block.bytes.slice().buffer)
  assert.equal([...words.subarray(64 * 49, 64 * 49 + 4)], [49, 50, 7, 0x3f000000])
  assert.is(block.bytes.byteLength, 50 * 256)
  assert.throws(() => block.add(0, 0, new Array(63).fill(0)), /a uniform holds 62 words, got 63/)
})
