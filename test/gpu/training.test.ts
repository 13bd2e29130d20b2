import { assert, openTestDevice, rng, test } from '../harness'
import { countMade, sameBits, TinyTraining } from './check'

test('a step recorded once is replayed with new inputs, rate and seed; nothing is made; the bits are those of eager', async () => {
  const device = await openTestDevice()
  const random = rng()
  const start = random.normal(TinyTraining.size, 0.3)
  const [recorded, eager] = [new TinyTraining(device, start), new TinyTraining(device, start)]
  const { recording, result } = await device.record(
    'step',
    () => recorded.run(),
    (loss) => [loss.storage],
  )
  const batches = Array.from({ length: 5 }, () => recorded.batchOf(random))
  const made = countMade(device)
  const losses: Promise<number>[] = []
  for (const [i, { x, labels }] of batches.entries()) {
    recorded.set(i + 1, x, labels)
    await recording.replay()
    if (i === 0) assert.equal(Object.values(made), [0, 0, 0, 0, 0])
    losses.push(result.item())
  }
  const got = Float32Array.from(await Promise.all(losses))
  assert.equal({ ...made, createBuffer: 0 }, { ...made, createBuffer: 0, createBindGroup: 0, createComputePipelineAsync: 0 })
  assert.is(made.createBuffer, batches.length, 'only the reads of the loss make a buffer')

  const wanted: number[] = []
  for (const [i, { x, labels }] of batches.entries()) {
    eager.set(i + 1, x, labels)
    wanted.push(await eager.run().item())
  }
  sameBits(got, Float32Array.from(wanted), 'losses')
  sameBits(await recorded.values.data(), await eager.values.data(), 'trained values')
  assert.ok(new Set(got).size === got.length, 'each step saw its own batch')
})

test('the dropout seed of a replay is the one written before it', async () => {
  const device = await openTestDevice()
  const random = rng()
  const training = new TinyTraining(device, random.normal(TinyTraining.size, 0.3))
  const { recording, result } = await device.record(
    'step',
    () => training.run(),
    (loss) => [loss.storage],
  )
  const { x, labels } = training.batchOf(random)
  const lossWith = async (seed: number) => {
    training.set(1, x, labels)
    training.optimizer.set(0, 1)
    training.rng.write([seed, 0, 1, 0])
    await recording.replay()
    return result.item()
  }
  const [first, second, again] = [await lossWith(1), await lossWith(2), await lossWith(1)]
  assert.is(first, again)
  assert.ok(first !== second)
  recording.dispose()
})

test('500 replayed steps leave live bytes, live buffers and the pool where they were', async () => {
  const device = await openTestDevice()
  const random = rng()
  const training = new TinyTraining(device, random.normal(TinyTraining.size, 0.3))
  const { recording, result } = await device.record(
    'step',
    () => training.run(),
    (loss) => [loss.storage],
  )
  await device.sync()
  const { liveBytes, liveBuffers, pooledBytes } = device.memory.stats
  const losses: number[] = []
  for (let t = 1; t <= 500; t++) {
    const { x, labels } = training.batchOf(random)
    training.set(t, x, labels)
    await recording.replay()
    if (t % 50 === 0) losses.push(await result.item())
  }
  const { stats } = device.memory
  assert.ok(stats.liveBytes <= liveBytes && stats.liveBuffers <= liveBuffers, 'nothing new lives')
  assert.ok(stats.liveBytes + stats.pooledBytes <= liveBytes + pooledBytes, 'what is freed is pooled once')
  assert.is(new Set(losses).size, 10)
  recording.dispose()
})
