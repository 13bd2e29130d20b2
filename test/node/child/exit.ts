// Ends in the way that its argument names; exit.test.ts looks how.
import { openDevice } from '../../../src/gpu'
import { Tensor } from '../../../src/graph'
import { matmul, scale } from '../../../src/ops'

const open = () => openDevice({ software: true, log: () => {} })

async function work(n: number) {
  const device = await open()
  const x = Tensor.from(device, new Float32Array(n * n).fill(1 / n), [n, n])
  return { device, y: matmul(matmul(x, x), x) }
}

const ways: Record<string, () => Promise<void>> = {
  async done() {
    const { y } = await work(32)
    console.log((await y.data())[0] > 0 ? 'works' : 'wrong')
  },
  async destroyed() {
    const { device, y } = await work(32)
    console.log((await y.data())[0] > 0 ? 'works' : 'wrong')
    device.destroy()
  },
  /** Nobody awaits: the process still waits for what was asked for. */
  async unawaited() {
    const { y } = await work(256)
    void y.data().then(() => console.log('works'))
  },
  async throws() {
    const { y } = await work(32)
    await y.data()
    throw new Error('on purpose')
  },
  async throwsInFlight() {
    const { device } = await work(512)
    device.flush()
    await new Promise((resolve) => setTimeout(resolve, 5))
    throw new Error('on purpose')
  },
  async exitInFlight() {
    const { device, y } = await work(512)
    y.data().catch(() => {})
    device.sync().catch(() => {})
    await new Promise((resolve) => setTimeout(resolve, 5))
    process.exit(3)
  },
  async destroyInFlight() {
    const { device, y } = await work(512)
    const pending = y.data()
    await new Promise((resolve) => setTimeout(resolve, 5))
    device.destroy()
    await pending.catch((e: Error) => console.log(e.name))
  },
  /** Run with --expose-gc: neither instances nor devices may be collected too early. */
  async manyDevices() {
    const gc = (globalThis as { gc?: () => void }).gc
    if (!gc) throw new Error('wants --expose-gc')
    for (let i = 0; i < 8; i++) {
      const device = await open()
      const y = scale(Tensor.from(device, [i]), 2)
      gc()
      if ((await y.item()) !== 2 * i) throw new Error('wrong')
      if (i % 2) device.destroy()
      await new Promise((resolve) => setTimeout(resolve, 2))
      gc()
    }
    console.log('works')
  },
}

await ways[process.argv[2]]()
