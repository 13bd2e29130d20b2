import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { assert, openTestDevice, test } from '../harness'
import { start } from '../train/start'
import { typicalGrowth } from './child'

test('500 steps leave the memory of the process where it was', async () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const trainer = await start({
    device: await openTestDevice({}),
    rows: 64,
    args: { maxSteps: 1100, loggingSteps: 50, learningRate: 1e-3 },
  })
  const megabytes: number[] = []
  trainer.on('log', () => {
    gc()
    megabytes.push(process.memoryUsage().rss / 1e6)
  })
  await trainer.train()
  assert.is(megabytes.length, 22)
  console.log(`    ${megabytes.map((m) => m.toFixed(1)).join(', ')} MB`)
  // What drivers and the engine take for good, they take in the first hundreds.
  const growth = 2 * typicalGrowth(megabytes.slice(8))
  console.log(`    ${growth.toFixed(2)} MB in a hundred steps`)
  // Two buffers of 10 KB kept by every step would be 2 MB.
  assert.ok(growth < 2, `${growth} MB in a hundred steps: ${megabytes.map((m) => m.toFixed(1)).join(', ')}`)
  trainer.model.device.destroy()
})
