// 500 training steps; prints the process's memory after a warm-up (Mesa's is long) and at the end, in MiB.
import { openDevice } from '../../../src/gpu'
import { TinyTraining } from '../../gpu/check'

const gc = (globalThis as { gc?: () => void }).gc
if (!gc) throw new Error('wants --expose-gc')
const device = await openDevice({ software: true, log: () => {} })
const training = new TinyTraining(
  device,
  Float32Array.from({ length: TinyTraining.size }, (_, i) => Math.sin(i) / 3),
)
const { recording, result } = await device.record(
  'step',
  () => training.run(),
  (loss) => [loss.storage],
)
const batch = { x: new Float32Array(training.x.size), labels: new Int32Array(training.batch) }

async function steps(from: number, to: number): Promise<number[]> {
  for (let t = from; t <= to; t++) {
    batch.x.forEach((_, i) => (batch.x[i] = Math.sin(i * t)))
    training.set(t, batch.x, batch.labels)
    await recording.replay()
    if (t % 10 === 0) await result.item()
  }
  await device.sync()
  gc?.()
  await new Promise((resolve) => setTimeout(resolve, 20))
  gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  return [rss, heapUsed + external].map((bytes) => bytes / 2 ** 20)
}

/** The least of three readings: single ones hold what the allocator has not yet given back. */
async function level(from: number): Promise<void> {
  const readings = [await steps(from, from + 49), await steps(from + 50, from + 99), await steps(from + 100, from + 149)]
  console.log(JSON.stringify([0, 1].map((i) => Math.min(...readings.map((r) => r[i])))))
}

await steps(1, 1000)
await level(1001)
await steps(1151, 1500)
await level(1501)
