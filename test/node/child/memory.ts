// After a warm-up, prints the process's memory every 100 training steps, in MiB: resident and JavaScript's.
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

// Mesa's warm-up is long.
await steps(1, 1000)
for (let window = 0; window < 13; window++) console.log(JSON.stringify(await steps(1001 + 100 * window, 1100 + 100 * window)))
