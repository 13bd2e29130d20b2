import type { Device } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { matmul, mul, relu, sum } from '../../src/ops'
import { assert, openTestDevice, rng, test } from '../harness'
import { sameBits } from './check'

const n = 120

/** Lets a pacer believe that a product takes `budgets` of its budgets, whatever the device's speed. */
function expect({ pacer }: Device, budgets: number): void {
  pacer.scale *= (budgets * pacer.budget) / pacer.estimate({ flops: 2 * n ** 3, bytes: 0 })
}

/** A few products, forward and backward: the gradient, and how many submits it took. */
async function work(device: Device, data: Float32Array): Promise<{ gradient: Float32Array; submits: number }> {
  const x = Tensor.from(device, data, [n, n]).requireGrad()
  const before = device.pacer.submits
  const h = relu(matmul(x, x))
  sum(mul(h, matmul(h, x))).backward()
  const gradient = await (x.grad as Tensor).data()
  return { gradient, submits: device.pacer.submits - before }
}

test('a budget of 1 ms: the same bits and more submits, eager and replayed, at most two in flight', async () => {
  const data = rng().uniform(n * n, -1, 1)
  const usual = await openTestDevice()
  const hasty = await openTestDevice({ submitBudgetMs: 1 })
  expect(hasty, 4)
  const [wanted, got] = [await work(usual, data), await work(hasty, data)]
  sameBits(got.gradient, wanted.gradient, 'gradient')
  assert.ok(got.submits > wanted.submits, `${got.submits} submits against ${wanted.submits}`)

  expect(hasty, 4)
  const x = Tensor.from(hasty, data, [n, n])
  const { recording, result } = await hasty.record(
    'products',
    () => matmul(relu(matmul(x, x)), x),
    (y) => [y.storage],
  )
  const before = hasty.pacer.submits
  await recording.replay()
  sameBits(await result.data(), await matmul(relu(matmul(x, x)), x).data(), 'replay')
  assert.ok(recording.launches > 3, `more launches than dispatches: ${recording.launches}`)
  // What the first ones took corrects the estimate, so that later ones may go together.
  assert.ok(hasty.pacer.submits - before > 1, 'more than one submit')
  assert.is(hasty.pacer.mostInFlight, 2)
  hasty.destroy()
})

test('one dispatch over the budget is cut into ranges of its workgroups, with the same bits', async () => {
  const random = rng()
  const [a, b] = [0, 1].map(() => random.uniform(n * n, -1, 1))
  const product = async (device: Device) => {
    const [x, y] = [a, b].map((v) => Tensor.from(device, v, [n, n]))
    const { recording, result } = await device.record(
      'one product',
      () => matmul(x, y),
      (z) => [z.storage],
    )
    await recording.replay()
    return { data: await result.data(), launches: recording.launches }
  }
  const whole = await product(await openTestDevice())
  const device = await openTestDevice({ submitBudgetMs: 0.5 })
  expect(device, 4)
  const cut = await product(device)
  assert.is(whole.launches, 1)
  assert.ok(cut.launches > 3, `${cut.launches} ranges`)
  sameBits(cut.data, whole.data, 'product')
  device.destroy()
})

test('the estimate follows what submits take, and neither latency nor a busy event loop moves it', async () => {
  const device = await openTestDevice({ submitBudgetMs: 100 })
  const { pacer } = device
  const cost = { flops: 1e9, bytes: 0 }
  const first = pacer.estimate(cost)
  for (let i = 0; i < 20; i++) pacer.learn(0.0001, 0.04)
  assert.is(pacer.estimate(cost), first, 'short submits say nothing')
  pacer.learn(0.0001, 0.06)
  assert.ok(pacer.estimate(cost) > first, 'a submit of over half the budget does')
  for (let i = 0; i < 200; i++) pacer.learn(pacer.estimate(cost), 0.001)
  assert.ok(Math.abs(Math.log(pacer.estimate(cost) / 0.001)) < Math.log(6), `learned ${pacer.estimate(cost)} of 0.001 s`)
  for (let i = 0; i < 1000; i++) pacer.learn(1e-3, 1e9)
  assert.ok(pacer.scale <= 1e3, 'bounded')
  assert.ok(pacer.pieces({ flops: 0, bytes: 0 }, 1000) === 1, 'what costs only its launch is not cut')
  device.destroy()
})

test('the default budget is 200 ms, 2 s where a processor computes', async () => {
  const device = await openTestDevice()
  assert.is(device.pacer.budget, device.software ? 2 : 0.2)
})
