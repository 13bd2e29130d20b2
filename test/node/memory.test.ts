import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { assert, openTestDevice, test } from '../harness'
import { start } from '../train/start'

test('500 steps leave the memory of the process where it was', async () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const trainer = await start({
    device: await openTestDevice({}),
    rows: 64,
    args: { maxSteps: 1100, loggingSteps: 100, learningRate: 1e-3 },
  })
  const megabytes: number[] = []
  trainer.on('log', () => {
    gc()
    megabytes.push(process.memoryUsage().rss / 1e6)
  })
  await trainer.train()
  // What drivers and the engine take for good, they take in the first hundreds. Single readings jump: of three the middle one.
  const middle = (at: number) => megabytes.slice(at, at + 3).sort((a, b) => a - b)[1]
  const [first, last] = [middle(4), middle(8)]
  // A buffer of every step kept would be 500 of 10 KB or more; the rest is what the engine takes and gives back.
  assert.is(megabytes.length, 11)
  console.log(`    ${megabytes.map((m) => m.toFixed(1)).join(', ')} MB`)
  assert.ok(last - first < 20, megabytes.map((m) => m.toFixed(0)).join(', '))
  trainer.model.device.destroy()
})
