import { type Device, openDevice } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { add, matmul, relu, scale } from '../../src/ops'
import { assert, openTestDevice, rng, test } from '../harness'
import { settings } from '../platform.node'
import { sameBits } from './check'

const openProfiled = () => openTestDevice({ profile: true, withhold: [] })

/** A recording of one product of n×n matrices and two ops after it. */
async function record(device: Device, n: number) {
  const x = Tensor.from(device, rng().uniform(n * n, -1, 1), [n, n])
  const { recording, result } = await device.record(
    'list',
    () => add(relu(matmul(x, x)), x),
    (y) => [y.storage],
  )
  return { x, recording, y: result }
}

test('every dispatch of the time between is in the table, none of before and after; the numbers computed are the same', async () => {
  const device = await openProfiled()
  const n = 120
  const { recording, y } = await record(device, n)
  await recording.replay()
  const unprofiled = await y.data()
  const start = performance.now()
  const profiler = await device.profile()
  for (let i = 0; i < 3; i++) await recording.replay()
  const profile = await profiler.stop()
  const wall = (performance.now() - start) / 1000
  await recording.replay()
  sameBits(await y.data(), unprofiled, 'y')
  const kernels = profile.kernels()
  assert.equal(kernels.map(({ op, dispatches }) => `${op} ${dispatches}`).sort(), ['add 3', 'matmul 3', 'relu 3'])
  const product = kernels.find(({ op }) => op === 'matmul')
  assert.ok(product && product.seconds > 0, 'a product takes time')
  assert.ok(Math.abs(product.flopsPerSecond * product.seconds - 3 * 2 * n ** 3) < 1, 'operations are those of 2n³')
  assert.ok(Math.abs(product.bytesPerSecond * product.seconds - 3 * 3 * 4 * n ** 2) < 1, 'bytes are those of three matrices')
  const sum = (key: 'seconds' | 'share') => kernels.reduce((total, k) => total + k[key], 0)
  assert.ok(Math.abs(sum('share') - 1) < 1e-9)
  assert.ok(sum('seconds') <= wall, `${sum('seconds')} s of kernels in ${wall} s`)
  assert.ok(kernels.every((k, i) => i === 0 || k.seconds <= kernels[i - 1].seconds))
  device.destroy()
})

test('lists are told apart by name; the table holds a line for each op and one for all', async () => {
  const device = await openProfiled()
  const { x, recording } = await record(device, 20)
  const profiler = await device.profile()
  await recording.replay()
  await scale(x, 2).data()
  const profile = await profiler.stop()
  const ops = (of?: (list: string) => boolean) =>
    profile
      .kernels(of)
      .map((k) => k.op)
      .sort()
  assert.equal(ops(), ['add', 'matmul', 'relu', 'scale'])
  assert.equal(
    ops((list) => list === 'list'),
    ['add', 'matmul', 'relu'],
  )
  const [head, ...rows] = profile.table((list) => list === 'list').split('\n')
  assert.match(head, /^kernel +dispatches +ms +% +GFLOP\/s +GB\/s$/)
  assert.equal(
    rows
      .slice(0, 4)
      .map((row) => row.split(/ +/).slice(0, 2).join(' '))
      .sort(),
    ['add 1', 'all 3', 'matmul 1', 'relu 1'],
  )
  assert.match(rows[3], /^all +3 +[\d.]+ +100\.0 +– +–$/)
  device.destroy()
})

test('the trace is JSON of complete events: dispatches in order, each inside its submit', async () => {
  const device = await openProfiled()
  const { recording } = await record(device, 50)
  const profiler = await device.profile()
  for (let i = 0; i < 2; i++) await recording.replay()
  const { traceEvents, displayTimeUnit } = JSON.parse(JSON.stringify((await profiler.stop()).trace()))
  assert.is(displayTimeUnit, 'ms')
  type Event = { name: string; ph: string; ts: number; dur: number; tid: number; args: Record<string, number> }
  const slices: Event[] = traceEvents.filter((e: Event) => e.ph === 'X')
  const [submits, kernels] = [0, 1].map((tid) => slices.filter((e) => e.tid === tid))
  assert.equal(
    submits.map((e) => `${e.name} ${e.args.dispatches}`),
    ['list 3', 'list 3'],
  )
  assert.equal(
    kernels.map((e) => e.name),
    ['matmul', 'relu', 'add', 'matmul', 'relu', 'add'],
  )
  kernels.forEach((e, i) => {
    const submit = submits[Math.floor(i / 3)]
    assert.ok(e.dur >= 0 && e.ts >= submit.ts && e.ts + e.dur <= submit.ts + submit.dur + 1e-6, `${e.name} inside its submit`)
    if (i) assert.ok(e.ts >= kernels[i - 1].ts, 'in order')
    assert.ok(e.args.workgroups > 0 && e.args.bytes > 0)
  })
  device.destroy()
})

test('a submit of more dispatches than a set of queries holds is timed whole', async () => {
  const device = await openProfiled()
  const x = Tensor.from(device, [1, 2])
  const count = 2100
  const { recording } = await device.record(
    'long',
    () => {
      for (let i = 0; i < count; i++) scale(x, 2)
    },
    () => [],
  )
  const profiler = await device.profile()
  await recording.replay()
  assert.is((await profiler.stop()).kernels()[0].dispatches, count)
  device.destroy()
})

test('one profiler at a time; stop may be called twice; another may follow', async () => {
  const device = await openProfiled()
  const x = Tensor.from(device, [1, 2])
  const profiler = await device.profile()
  await assert.rejects(device.profile(), /profile: this device has a profiler at work/)
  await scale(x, 2).data()
  const profile = await profiler.stop()
  const next = await device.profile()
  assert.is(await profiler.stop(), profile)
  await add(x, x).data()
  assert.equal(
    (await next.stop()).kernels().map((k) => k.op),
    ['add'],
  )
  assert.equal(
    profile.kernels().map((k) => k.op),
    ['scale'],
  )
  device.destroy()
})

test('without timestamp-query an error says so, at opening and later', async () => {
  const withhold = ['timestamp-query']
  const options = { software: true, log: () => {}, ...settings(), withhold }
  await assert.rejects(openDevice({ ...options, profile: true }), /openDevice: profile: .* has no timestamp-query/)
  const device = await openTestDevice({ withhold })
  await assert.rejects(device.profile(), /profile: .* was opened without timestamp-query/)
  device.destroy()
})

test('a device that is lost ends the waiting for its times', async () => {
  const device = await openProfiled()
  const profiler = await device.profile()
  scale(Tensor.from(device, [1]), 2)
  device.destroy()
  await assert.rejects(profiler.stop(), /this device was destroyed/)
})
