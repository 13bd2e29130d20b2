import type { Device, Recording, Storage } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { gemm } from '../../src/ops/gemm'
import { type Blank, blankOf } from '../../src/ops/gemm_blank'
import { choosing, usual, type Variant } from '../../src/ops/gemm_kernels'
import { fastest } from '../../src/ops/gemm_tune'
import { variants } from '../../src/ops/gemm_variants'
import { withBroken } from '../doctor/broken'
import { assert, openTestDevice, test } from '../harness'

/** A product of few tiles with a long k, its usual variant and the others. */
function product(device: Device, dtype?: 'f16'): { blank: Blank; own: Variant; all: Variant[] } {
  let found: { blank: Blank; own: Variant; all: Variant[] } | undefined
  const [a, b, c] = [12 * 128, 128 * 20, 240].map((size) => Tensor.empty(device, [size], 'test', dtype))
  const matrices = { a: { tensor: a, rowStride: 128 }, b: { tensor: b, rowStride: 20 }, c: { tensor: c, rowStride: 20 } }
  choosing(
    (job) => {
      found = { blank: blankOf(job), own: usual(job), all: variants(job) }
      return undefined
    },
    () =>
      gemm({
        op: 'tuned',
        ...matrices,
        m: 12,
        n: 20,
        k: 128,
        alpha: 0.5,
        accumulate: true,
        bias: Tensor.from(device, new Float32Array(20)),
      }),
  )
  if (!found) throw new Error('no product')
  return found
}

// Milliseconds that laps are said to have taken: the tests hang on no speed.
let clock = 0
const endless = { left: () => Number.POSITIVE_INFINITY, clock: () => clock }

/** Laps of what is named take a millisecond, all others 150. */
async function whereQuick<T>(device: Device, names: Variant[], body: () => Promise<T>): Promise<T> {
  const own = device.replay
  device.replay = async (launches, name) => {
    clock += names.includes(name.replace(/^tune /, '')) ? 1 : 150
    return own.call(device, launches, name)
  }
  try {
    return await body()
  } finally {
    device.replay = own
  }
}

test('the fastest variant is taken, and what was compiled for the others is forgotten', async () => {
  const device = await openTestDevice({})
  const { blank, all, own } = product(device)
  await device.sync()
  const before = device.kernels.all
  const [other] = all.filter((name) => name.startsWith('split-2×'))
  assert.ok(other)
  const live = device.memory.stats.liveBytes
  const times: number[] = []
  const budget = { ...endless, usual: (seconds: number) => void times.push(seconds) }
  assert.is(await whereQuick(device, [other], () => fastest(device, blank, budget)), other)
  assert.ok(times.length === 1 && times[0] > 0.1, `${times}`)
  const more = device.kernels.all.filter((kernel) => !before.includes(kernel))
  assert.ok(
    more.every((kernel) => /C\[b, m, n\]/.test(kernel.text?.source ?? '')),
    'what compares is forgotten too',
  )
  assert.ok(more.length >= 1 && more.length <= 2, `${more.map((k) => k.label)}`)
  assert.is(await whereQuick(device, [own], () => fastest(device, blank, endless)), own)
  assert.ok(device.memory.stats.liveBytes <= live, 'scratch is given back')
  device.destroy()
})

test('a variant that computes something else is not taken, however fast; the next one is', async () => {
  const device = await openTestDevice({})
  const { blank, own, all } = product(device)
  const [wrong, right] = device.software ? ['split-2×plain', 'plain'] : ['split-2×tiled', 'blocks-8']
  assert.ok(all.includes(wrong) && all.includes(right))
  await withBroken(device, { file: 'matmul_sum', find: 'sums[s * p.count + i]', replace: 'sums[i]' }, async () => {
    assert.is(await whereQuick(device, [wrong], () => fastest(device, blank, endless)), own)
    assert.is(await whereQuick(device, [wrong, right], () => fastest(device, blank, endless)), right)
  })
  device.destroy()
})

test('of a product in half floats too the fastest is taken, and none that computes something else', async () => {
  const device = await openTestDevice({})
  if (!device.features.has('shader-f16')) return assert.throws(() => product(device, 'f16'), /need the feature shader-f16/)
  const { blank, own, all } = product(device, 'f16')
  const [wrong, right] = device.software ? ['split-2×plain', 'plain'] : ['split-2×tiled', 'blocks-8']
  const taken: (Variant | undefined)[] = []
  await withBroken(device, { file: 'matmul_sum', find: 'sums[s * p.count + i]', replace: 'sums[i]' }, async () => {
    for (const quick of [[wrong], [wrong, right]]) taken.push(await whereQuick(device, quick, () => fastest(device, blank, endless)))
  })
  const split = all.find((name) => name.startsWith('split-2×')) as Variant
  taken.push(await whereQuick(device, [split], () => fastest(device, blank, endless)))
  assert.equal(taken, [own, right, split])
  device.destroy()
})

test('a variant whose kernels the check of recordings refuses is not taken, and its kernels are not there for later checks', async () => {
  const device = await openTestDevice({})
  const { blank, own, all } = product(device)
  await device.sync()
  const before = device.kernels.all.length
  const other = all.find((name) => name !== own) as Variant
  let asked = 0
  const refuse = async () => {
    asked++
    throw new Error('computes wrong numbers')
  }
  device.afterRecord = refuse
  const profiler = () => {
    throw new Error('a profile is of the run alone')
  }
  device.pacer.timer = profiler
  assert.is(await whereQuick(device, [other], () => fastest(device, blank, endless)), own)
  assert.is(asked, 1)
  assert.is(device.afterRecord, refuse)
  assert.is(device.pacer.timer, profiler)
  assert.is(device.kernels.all.length, before)
  device.destroy()
})

test('where time runs out, or memory, nothing is chosen', async () => {
  const device = await openTestDevice({ memoryLimit: 1 << 20 })
  const { blank } = product(device)
  assert.is(await fastest(device, blank, { left: () => 0 }), undefined)
  let asked = 0
  assert.is(await fastest(device, blank, { left: () => (asked++ ? 0 : 1) }), undefined, 'after some')
  assert.is(await fastest(device, { ...blank, k: 4096, b: { rowStride: 1 << 10 } }, endless), undefined)
  device.destroy()
})

test('the budget is overrun by a lap or by one compiling at most, wherever it ends', async () => {
  const device = await openTestDevice({})
  const { blank, all, own } = product(device)
  const quick = all.find((name) => name !== own) as Variant
  const { record, run } = device
  // What is compiled takes 40 ms, and so does a product that is looked at.
  device.record = async <T>(name: string, body: () => T, keep: (result: T) => Storage[]) => {
    const made = await record.call(device, name, body, keep as (result: unknown) => Storage[])
    clock += 40
    return made as { recording: Recording; result: T }
  }
  device.run = (dispatch) => {
    if (!device.recording && dispatch.op === 'tuned') clock += 40
    run.call(device, dispatch)
  }
  const whole = async (limit: number) => {
    clock = 0
    const budget = { left: () => (limit - clock) / 1000, clock: () => clock }
    return whereQuick(device, [quick], () => fastest(device, blank, budget))
  }
  assert.is(await whole(1e6), quick)
  const needed = clock
  for (const limit of [0, 100, 170, 500, 900, needed / 2, needed - 60, needed - 20]) {
    const found = await whole(limit)
    assert.ok(clock <= limit + (found === undefined ? 150 : 0), `${limit} of ${needed} ms: ${clock}`)
  }
  device.destroy()
})
