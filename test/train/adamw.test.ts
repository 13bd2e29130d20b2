import type { Device } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { AdamW, type AdamWOptions, type ParameterGroup } from '../../src/train/adamw'
import { assert, openTestDevice, rng, test } from '../harness'

interface Group {
  start: number
  count: number
  weightDecay?: number
  lrScale?: number
}

/** torch.optim.AdamW after torch.nn.utils.clip_grad_norm_, in float64. */
class Reference {
  readonly m: Float64Array
  readonly v: Float64Array
  norm = 0
  constructor(
    readonly p: Float64Array,
    readonly groups: Group[],
    readonly o: AdamWOptions & typeof defaults,
  ) {
    this.m = new Float64Array(p.length)
    this.v = new Float64Array(p.length)
  }

  step(grad: ArrayLike<number>, lr: number, t: number): void {
    const { beta1, beta2, eps, maxGradNorm } = this.o
    const each = (body: (i: number, g: Group) => void) => {
      for (const g of this.groups) for (let i = g.start; i < g.start + g.count; i++) body(i, g)
    }
    let square = 0
    each((i) => (square += grad[i] ** 2))
    this.norm = Math.sqrt(square)
    const clip = maxGradNorm > 0 ? Math.min(1, maxGradNorm / (this.norm + 1e-6)) : 1
    each((i, { weightDecay = 0, lrScale = 1 }) => {
      const g = clip * grad[i]
      const rate = lr * lrScale
      this.p[i] *= 1 - rate * weightDecay
      this.m[i] = beta1 * this.m[i] + (1 - beta1) * g
      this.v[i] = beta2 * this.v[i] + (1 - beta2) * g * g
      this.p[i] -= ((rate / (1 - beta1 ** t)) * this.m[i]) / (Math.sqrt(this.v[i]) / Math.sqrt(1 - beta2 ** t) + eps)
    })
  }
}

const defaults = { beta1: 0.9, beta2: 0.999, eps: 1e-8, maxGradNorm: 1, hold: false }

function setUp(device: Device, size: number, groups: Group[], options: AdamWOptions = {}) {
  const random = rng()
  // Small, so that f32's rounding of the values does not hide their change.
  const start = random.uniform(size, -0.02, 0.02)
  const values = Tensor.from(device, start)
  const gradients = Tensor.from(device, new Float32Array(size))
  const optimizer = new AdamW(
    device,
    groups.map((g): ParameterGroup => ({ ...g, values, gradients })),
    options,
  )
  return {
    random,
    start,
    values,
    gradients,
    optimizer,
    reference: new Reference(Float64Array.from(start), groups, { ...defaults, ...options }),
  }
}

type Setup = ReturnType<typeof setUp>

function step({ gradients, optimizer }: Setup, grad: Float32Array, lr: number, t: number): void {
  gradients.write(grad)
  optimizer.set(lr, t)
  optimizer.record()
}

/** Several steps with gradients of very different size; after each, parameters, their change, moments and norm against float64. */
async function compare(name: string, s: Setup, steps = 4): Promise<void> {
  const { random, values, optimizer, reference, start } = s
  for (let t = 1; t <= steps; t++) {
    const spread = [1, 1e-3, 30, 0.1][t % 4]
    // Few numbers of both signs may all cancel, and then rounding is all there is to compare.
    const grad = random.uniform(start.length, start.length < 100 ? spread / 2 : -spread, spread)
    const lr = Math.fround(1e-2 / t)
    step(s, grad, lr, t)
    reference.step(grad, lr, t)
    const got = await values.data()
    const moved = (p: ArrayLike<number>) => Float64Array.from(start, (v, i) => p[i] - v)
    assert.close(got, reference.p, 1e-5, `${name}, step ${t}: parameters`)
    assert.close(moved(got), moved(reference.p), 1e-5, `${name}, step ${t}: change`)
    for (const [i, { start: at, count }] of reference.groups.entries()) {
      const { m, v } = optimizer.moments[i]
      assert.close(await m.data(), reference.m.subarray(at, at + count), 1e-5, `${name}, step ${t}: m of group ${i}`)
      assert.close(await v.data(), reference.v.subarray(at, at + count), 1e-5, `${name}, step ${t}: v of group ${i}`)
    }
    const { gradNorm, badStep } = await optimizer.status()
    assert.close([gradNorm], [reference.norm], 1e-6, `${name}, step ${t}: norm`)
    assert.is(badStep, 0)
  }
}

test('AdamW: one number, odd sizes, borders of 64, 256 and 4,096, two levels of the norm', async () => {
  const device = await openTestDevice()
  for (const size of [1, 5, 255, 257, 4095, 4097, 4096 * 65 + 3, rng().int(1, 20000)])
    await compare(`${size} numbers`, setUp(device, size, [{ start: 0, count: size, weightDecay: 0.1 }]), size > 5000 ? 2 : 4)
})

test('AdamW: without decay, without clipping, with a wide and a narrow limit, other betas and eps', async () => {
  const device = await openTestDevice()
  const options: [string, AdamWOptions, Partial<Group>][] = [
    ['no decay', {}, {}],
    ['no clipping', { maxGradNorm: 0 }, { weightDecay: 0.01 }],
    ['never reached', { maxGradNorm: 1e4 }, { weightDecay: 0.01 }],
    ['narrow', { maxGradNorm: 1e-3 }, { weightDecay: 0.01 }],
    ['betas', { beta1: 0.8, beta2: 0.99, eps: 1e-3 }, { weightDecay: 0.01 }],
    ['lrScale', {}, { weightDecay: 0.01, lrScale: 16 }],
  ]
  for (const [name, o, group] of options) await compare(name, setUp(device, 333, [{ start: 0, count: 333, ...group }], o))
})

test('AdamW: several groups of one buffer, each its own decay and rate, clipped together; what lies between stays', async () => {
  const device = await openTestDevice()
  const groups = [
    { start: 0, count: 5001, weightDecay: 0.1 },
    { start: 5056, count: 63, lrScale: 4 },
    { start: 5184, count: 300, weightDecay: 0.01, lrScale: 0.5 },
  ]
  await compare('groups', setUp(device, 5500, groups))
})

test('AdamW: ranges over a binding of 64 KiB', async () => {
  const device = await openTestDevice({ cap: { maxStorageBufferBindingSize: 65536, maxComputeWorkgroupsPerDimension: 64 } })
  const groups = [
    { start: 0, count: 40001, weightDecay: 0.1 },
    { start: 40064, count: 17000 },
  ]
  await compare('capped', setUp(device, 57100, groups), 3)
  device.destroy()
})

test('AdamW: a step whose norm is not finite changes nothing and leaves its number for good; later steps train on', async () => {
  const device = await openTestDevice()
  const size = 4200
  for (const [name, poison] of [
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['minus infinity', Number.NEGATIVE_INFINITY],
    ['a square beyond f32', 1e30],
  ] as const) {
    const s = setUp(device, size, [
      { start: 0, count: 4100, weightDecay: 0.1 },
      { start: 4160, count: 40 },
    ])
    const state = async () => {
      const all = [s.values, ...s.optimizer.moments.flatMap(({ m, v }) => [m, v])]
      return (await Promise.all(all.map(async (t) => [...new Uint32Array((await t.data()).buffer)].join()))).join('|')
    }
    const good = s.random.uniform(size, -1, 1)
    step(s, good, 0.01, 1)
    s.reference.step(good, 0.01, 1)
    const before = await state()
    assert.is((await s.optimizer.status()).badStep, 0)
    // Only in the last group: the first must not move either.
    const bad = good.slice()
    bad[4199] = poison
    step(s, bad, 0.01, 2)
    // Not `is`: the difference of two such long texts would take minutes to print.
    assert.ok((await state()) === before, `${name}: something changed`)
    assert.equal(await s.optimizer.status(), { gradNorm: Number.POSITIVE_INFINITY, badStep: 2, leftOut: 0 }, name)
    step(s, good, 0.01, 3)
    s.reference.step(good, 0.01, 3)
    assert.close(await s.values.data(), s.reference.p, 1e-5, `${name}: the step after`)
    const after = await s.optimizer.status()
    assert.is(after.badStep, 2)
    assert.close([after.gradNorm], [s.reference.norm], 1e-6, `${name}: norm after`)
    step(s, bad, 0.01, 4)
    assert.is((await s.optimizer.status()).badStep, 2, `${name}: the first number stays`)
  }
})

test('AdamW: the same gradients give the same bits, on a second device too', async () => {
  const seen = new Set<string>()
  const gradients = [1, 2, 3].map(() => rng().normal(9001))
  for (const device of [await openTestDevice(), await openTestDevice(), await openTestDevice({})]) {
    const values = Tensor.from(device, gradients[0])
    const grad = Tensor.from(device, new Float32Array(9001))
    const optimizer = new AdamW(device, [{ values, gradients: grad, start: 0, count: 9001, weightDecay: 0.1 }])
    for (let t = 1; t <= 3; t++) {
      grad.write(gradients[t - 1])
      optimizer.set(0.01, t)
      optimizer.record()
    }
    seen.add([...new Uint32Array((await values.data()).buffer)].join())
  }
  assert.is(seen.size, 1)
})

test('AdamW: a learning rate of 0 moves nothing but the moments', async () => {
  const device = await openTestDevice()
  const s = setUp(device, 100, [{ start: 0, count: 100, weightDecay: 0.1 }])
  step(s, s.random.uniform(100, -1, 1), 0, 1)
  assert.equal([...(await s.values.data())], [...s.start])
  assert.ok((await s.optimizer.moments[0].m.data()).every((m) => m !== 0))
})
