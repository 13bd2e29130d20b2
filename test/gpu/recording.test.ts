import { OutOfMemoryError, replayAll } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { add, matmul, mul, relu, scale, sum } from '../../src/ops'
import { assert, openTestDevice, rng, takeGpuErrors, test } from '../harness'
import { countMade, sameBits } from './check'

test('another shape makes its own recording; both live on', async () => {
  const device = await openTestDevice()
  const random = rng()
  const record = (n: number) => {
    const x = Tensor.from(device, new Float32Array(n * n), [n, n])
    return device
      .record(
        `n=${n}`,
        () => matmul(relu(x), x),
        (y) => [y.storage],
      )
      .then(({ recording, result }) => ({ x, recording, y: result }))
  }
  const both = [await record(5), await record(33)]
  for (const { x, recording, y } of [...both, ...both]) {
    x.write(random.uniform(x.size, -1, 1))
    await recording.replay()
    sameBits(await y.data(), await matmul(relu(x), x).data(), recording.name)
  }
  for (const { recording } of both) recording.dispose()
})

test('a random graph, replayed: every tensor kept has the bits of eager, in fewer buffers than tensors', async () => {
  const device = await openTestDevice({})
  const random = rng()
  const alive: Tensor[] = [] // so that nothing is collected while buffers are counted
  for (let round = 0; round < 6; round++) {
    const n = random.int(3, 40)
    const inputs = [0, 1, 2].map(() => Tensor.from(device, random.uniform(n * n, -1, 1), [n, n]))
    alive.push(...inputs)
    const choices = Array.from({ length: 40 }, () => [random.int(0, 4), random.next(), random.next()])
    const graph = (): Tensor[] => {
      const made = [...inputs]
      for (const [op, i, j] of choices) {
        const [a, b] = [i, j].map((at) => made[made.length - 1 - Math.floor(at * Math.min(8, made.length))])
        made.push([() => add(a, b), () => mul(a, b), () => relu(a), () => scale(a, 0.7), () => matmul(a, b)][op]())
        if (op === 4) made.push(scale(made[made.length - 1], 1 / n))
      }
      return made.slice(inputs.length)
    }
    const kept = new Set([7, 21, choices.length - 1])
    const before = device.memory.stats.liveBuffers
    const { recording, result } = await device.record('graph', graph, (all) => all.filter((_, i) => kept.has(i)).map((t) => t.storage))
    assert.ok(device.memory.stats.liveBuffers - before < choices.length / 2, 'buffers are reused by lifetime')
    const eager = graph()
    for (let replay = 0; replay < 2; replay++) {
      await recording.replay()
      for (const i of kept) sameBits(await result[i].data(), await eager[i].data(), `tensor ${i}`)
    }
    for (const t of eager) t.dispose()
    recording.dispose()
    assert.is(device.memory.stats.liveBuffers, before)
  }
  assert.is(alive.length, 18)
  device.destroy()
})

test('what lives only in a recording throws by name outside and in another recording', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, [1, 2, 3])
  let inside = x
  const body = () => sum((inside = scale(x, 2)))
  const { recording, result } = await device.record('inner', body, (y) => [y.storage])
  await recording.replay()
  assert.is(await result.item(), 12)
  await assert.rejects(() => inside.data(), /read: .*made by scale .*inside its recording 'inner': return it/)
  await assert.rejects(() => scale(inside, 2), /scale: .*made by scale .*inner/)
  await assert.rejects(
    device.record(
      'other',
      () => scale(inside, 2),
      (y) => [y.storage],
    ),
    /scale: .*made by scale .*inner/,
  )
  await assert.rejects(
    device.record(
      'keeper',
      () => scale(x, 2),
      () => [inside.storage],
    ),
    /'keeper'.*made by scale/,
  )
  let nested: Promise<unknown> = Promise.resolve()
  const outer = () => {
    nested = device.record('nested', body, () => [])
  }
  const made = device.record('outer', outer, () => [])
  await assert.rejects(nested, /'nested' inside the recording 'outer'/)
  await made
  recording.dispose()
})

test('a body that throws leaves the device as it was', async () => {
  const device = await openTestDevice({})
  const x = Tensor.from(device, [1, 2])
  const { liveBytes, liveBuffers } = device.memory.stats
  const broken = () => {
    scale(x, 3)
    throw new Error('from the body')
  }
  await assert.rejects(
    device.record('broken', broken, () => []),
    /from the body/,
  )
  assert.equal([device.memory.stats.liveBytes, device.memory.stats.liveBuffers], [liveBytes, liveBuffers])
  assert.equal([...(await scale(x, 3).data())], [3, 6])
  device.destroy()
})

test('dispose gives all bytes back, kept results too; then replay and use throw', async () => {
  const device = await openTestDevice({})
  const x = Tensor.from(device, new Float32Array(5000), [50, 100])
  const before = { ...device.memory.stats }
  const { recording, result } = await device.record(
    'r',
    () => relu(scale(relu(x), 2)),
    (y) => [y.storage],
  )
  assert.ok(device.memory.stats.liveBytes > before.liveBytes)
  recording.dispose()
  recording.dispose()
  assert.equal([device.memory.stats.liveBytes, device.memory.stats.liveBuffers], [before.liveBytes, before.liveBuffers])
  await assert.rejects(recording.replay(), /'r' was disposed/)
  await assert.rejects(result.data(), /made by relu was used after its memory was given back/)
  device.destroy()
})

test('a replay whose input was disposed throws instead of reading what took its place', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, [1, 2])
  const { recording } = await device.record(
    'r',
    () => scale(x, 2),
    (y) => [y.storage],
  )
  x.dispose()
  await assert.rejects(recording.replay(), /'r' uses a tensor made by tensor after its memory was given back/)
  recording.dispose()
})

test('dispose right after replay: the replay still runs, without errors', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, [1, 2])
  const out = Tensor.from(device, [0, 0])
  const { recording } = await device.record(
    'r',
    () => {
      const y = scale(x, 5)
      device.recording?.place(y.storage, out.storage, 0)
    },
    () => [],
  )
  const replay = recording.replay()
  recording.dispose()
  await replay
  assert.equal([...(await out.data())], [5, 10])
  await device.sync()
})

test('place: refuses what is misaligned, too small, or not of this recording', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, new Float32Array(100))
  const out = Tensor.from(device, new Float32Array(128))
  const placed = (offset: number) =>
    device.record(
      'p',
      () => device.recording?.place(scale(x, 2).storage, out.storage, offset),
      () => [],
    )
  await assert.rejects(placed(4), /place: .*scale.*multiple of/)
  await assert.rejects(placed(256), /place: .*inside 512 bytes, got offset 256/)
  await assert.rejects(
    device.record(
      'p',
      () => device.recording?.place(x.storage, out.storage, 0),
      () => [],
    ),
    /place: the tensor made by tensor already has a place/,
  )
})

test('replayAll: several recordings in one submit, in order; nothing is made', async () => {
  const device = await openTestDevice({})
  const x = Tensor.from(device, [1, 1, 1, 1])
  const step = (name: string, body: (x: Tensor) => Tensor) =>
    device.record(
      name,
      () => {
        const y = body(x)
        scaleInto(x, y)
      },
      () => [],
    )
  const scaleInto = (to: Tensor, from: Tensor) => device.recording?.place(from.storage, to.storage, 0)
  const double = (await step('double', (t) => scale(scale(t, 1), 2))).recording
  const plus = (await step('plus', (t) => add(scale(t, 1), Tensor.from(device, [1, 2, 3, 4])))).recording
  await device.sync()
  const { submits } = device.pacer
  const made = countMade(device)
  await replayAll([double, plus, double])
  assert.equal(Object.values(made), [0, 0, 0, 0, 0])
  assert.is(device.pacer.submits - submits, 1)
  assert.equal([...(await x.data())], [6, 8, 10, 12])
  await replayAll([])
  const other = await openTestDevice({})
  const y = Tensor.from(other, [1])
  const foreign = await other.record(
    'foreign',
    () => scale(y, 2),
    () => [],
  )
  await assert.rejects(replayAll([double, foreign.recording]), /different devices/)
  plus.dispose()
  await assert.rejects(replayAll([double, plus]), /'plus' was disposed/)
  other.destroy()
  device.destroy()
})

test('buffers that the device had no memory for are not taken by the next recording', async () => {
  const device = await openTestDevice({})
  const { gpu } = device
  const inputs = [64, 1 << 16, 1 << 15].map((n) => Tensor.from(device, new Float32Array(n).fill(1)))
  await device.sync()
  // Where memory runs out a buffer is made all the same, and an error scope tells.
  const [create, pop] = [gpu.createBuffer.bind(gpu), gpu.popErrorScope.bind(gpu)]
  let refused = false
  gpu.createBuffer = (d) => {
    refused ||= d.size > 1 << 16
    return create(d)
  }
  gpu.popErrorScope = async () => {
    const mine = refused
    refused = false
    return (await pop()) ?? (mine ? ({ message: 'no room' } as GPUError) : null)
  }
  const record = (x: Tensor) =>
    device.record(
      `${x.size} numbers`,
      () => sum(relu(scale(x, 2))),
      (y) => [y.storage],
    )
  const [small, large, half] = inputs
  const { recording, result } = await record(small) // it holds what recordings share
  for (const x of [large, half, large]) {
    const error = await record(x).then(
      () => null,
      (thrown) => thrown,
    )
    assert.instance(error, OutOfMemoryError, `${x.size} numbers`)
  }
  assert.ok(takeGpuErrors().every((error) => error instanceof OutOfMemoryError))
  await recording.replay()
  assert.is(await result.item(), 128)
  device.destroy()
})
