import { promisify } from 'node:util'
import { Tensor } from '../../src/graph'
import { matmul } from '../../src/ops'
import { assert, openTestDevice, test } from '../harness'

/** Turns of Node's loop until the work is done, the milliseconds of all and of the quickest. */
async function during(work: () => Promise<unknown>) {
  let [turns, done, quickest] = [0, false, Number.POSITIVE_INFINITY]
  const start = performance.now()
  let before = start
  const turn = () => {
    const now = performance.now()
    if (turns++) quickest = Math.min(quickest, now - before)
    before = now
    if (!done) setImmediate(turn)
  }
  setImmediate(turn)
  await work()
  done = true
  return { turns, ms: performance.now() - start, quickest }
}

test('while a software adapter computes, Node’s loop leaves it the processor', async () => {
  const device = await openTestDevice()
  assert.ok(device.software)
  const a = Tensor.from(device, new Float32Array(500 * 500).fill(1), [500, 500])
  await matmul(a, a).data()
  const { turns, ms } = await during(() => matmul(a, a).data())
  console.log(`    ${turns} turns in ${ms} ms`)
  // Five turns a millisecond at most; it would be dozens.
  assert.ok(turns <= 5 * ms + 20, `${turns} turns in ${ms} ms`)
})

test('setImmediate is otherwise what it was', async () => {
  await openTestDevice()
  assert.equal(await new Promise((resolve) => setImmediate((...all: number[]) => resolve(all), 1, 2)), [1, 2])
  assert.is(await promisify(setImmediate)(3), 3)
  const cleared = setImmediate(() => assert.unreachable())
  clearImmediate(cleared)
  const { quickest } = await during(() => new Promise((resolve) => setTimeout(resolve, 200)))
  assert.ok(quickest < 0.1, `${quickest} ms: nothing rests while nothing is pending`)
})
