import { OutOfMemoryError } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { matmul, relu, scale } from '../../src/ops'
import { assert, openTestDevice, rng, takeGpuErrors, test } from '../harness'

const floats = (bytes: number) => new Float32Array(bytes / 4)

async function errorOf(work: () => unknown): Promise<Error> {
  try {
    await work()
  } catch (thrown) {
    return thrown as Error
  }
  throw new Error('wanted an error, got none')
}

test('2,000 eager products without any dispose stay under a fixed number of bytes', async () => {
  const device = await openTestDevice({})
  const random = rng()
  const [n, k] = [256, 4]
  const a = Tensor.from(device, random.uniform(n * k, -1, 1), [n, k])
  const b = Tensor.from(device, random.uniform(k * n, -1, 1), [k, n])
  // 2,000 results of 256 KiB are 500 MiB.
  let last: Tensor | null = null
  for (let i = 1; i <= 2000; i++) {
    last = matmul(a, b)
    if (i % 20 === 0) await last.data()
  }
  const { peakBytes, pooledBytes } = device.memory.stats
  console.log(`    peak ${(peakBytes / 2 ** 20).toFixed(0)} MiB, pooled ${(pooledBytes / 2 ** 20).toFixed(0)} MiB`)
  assert.ok(peakBytes < 256 << 20, `peak ${peakBytes}`)
  device.destroy()
})

test('live bytes, live buffers, peak and pool are counted; dispose and using give back at once, and only once', async () => {
  const device = await openTestDevice({})
  const counts = () => {
    const { liveBytes, liveBuffers, pooledBytes, peakBytes } = device.memory.stats
    return [liveBytes, liveBuffers, pooledBytes, peakBytes]
  }
  assert.equal(counts(), [0, 0, 0, 0])
  const x = Tensor.from(device, floats(4096))
  {
    using y = Tensor.from(device, floats(8192))
    assert.equal(counts(), [12288, 2, 0, 12288])
    assert.is(y.size, 2048)
  }
  assert.equal(counts(), [4096, 1, 8192, 12288])
  x.dispose()
  x.dispose()
  assert.equal(counts(), [0, 0, 12288, 12288])
  const again = Tensor.from(device, floats(8192))
  assert.equal(counts(), [8192, 1, 4096, 12288], 'a freed buffer is used again')
  device.memory.trim()
  assert.equal(counts(), [8192, 1, 0, 12288])
  assert.equal([...(await again.data())], [...floats(8192)])
  device.destroy()
})

test('a buffer freed while eager work on it waits is reused after that work', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, [1, 2, 3, 4])
  const y = scale(x, 10)
  x.dispose()
  const z = Tensor.from(device, [5, 6, 7, 8])
  const sum = scale(z, 10)
  assert.equal([...(await y.data()), ...(await sum.data())], [10, 20, 30, 40, 50, 60, 70, 80])
})

test('the pool has a limit: what it cannot hold is destroyed, after the work that uses it', async () => {
  const device = await openTestDevice({ memoryLimit: 1 << 20 })
  const x = Tensor.from(device, new Float32Array(50_000).fill(3))
  const y = scale(x, 2)
  x.dispose() // 200 KB fit a pool of a quarter of the limit
  assert.ok(device.memory.stats.pooledBytes >= 200_000)
  const z = relu(y)
  y.dispose()
  const { pooledBytes } = device.memory.stats
  assert.ok(pooledBytes <= 1 << 18, `pooled ${pooledBytes}`)
  assert.is(
    (await z.data()).every((v) => v === 6),
    true,
  )
  await device.sync()
  device.destroy()
})

test('a dead tensor throws on use, naming the op that made it', async () => {
  const device = await openTestDevice()
  const y = relu(Tensor.from(device, [1, -1]))
  y.dispose()
  const dead = /made by relu was used after its memory was given back/
  await assert.rejects(() => scale(y, 2), dead)
  await assert.rejects(() => y.data(), dead)
  await assert.rejects(() => y.write([1, 2]), dead)
})

test('memoryLimit: an OutOfMemoryError with the op, the bytes wanted and live, and what to try; then work goes on', async () => {
  const device = await openTestDevice({ memoryLimit: 1 << 20 })
  const x = Tensor.from(device, floats(512 << 10))
  const error = await errorOf(() => [relu(x), relu(x)])
  assert.instance(error, OutOfMemoryError)
  assert.match(
    error.message,
    /relu: out of memory: 524288 more bytes .* 1048576 bytes are live in 2 buffers; memoryLimit is 1048576 bytes; use a smaller batch/,
  )
  assert.is((error as OutOfMemoryError).batchSize, undefined)
  device.memory.forecast = { advice: 'try perDeviceTrainBatchSize 8', batchSize: 8 }
  const told = await errorOf(() => relu(x))
  assert.match(told.message, /; try perDeviceTrainBatchSize 8$/)
  assert.is((told as OutOfMemoryError).batchSize, 8)
  x.dispose()
  assert.is((await relu(Tensor.from(device, [3])).data())[0], 3)
  device.destroy()
})

test('a recording that cannot fit says so before anything is allocated', async () => {
  const device = await openTestDevice({ memoryLimit: 1 << 20 })
  device.memory.forecast = { advice: 'try perDeviceTrainBatchSize 2', batchSize: 2 }
  const x = Tensor.from(device, floats(256 << 10))
  const all: Tensor[] = []
  const chain = (length: number) => () => {
    all.length = 0
    let y = x
    for (let i = 0; i < length; i++) all.push((y = scale(y, 2)))
    return y
  }
  const before = { ...device.memory.stats }
  const error = await errorOf(() => device.record('wide step', chain(5), () => all.map((t) => t.storage)))
  assert.instance(error, OutOfMemoryError)
  assert.match(
    error.message,
    /recording 'wide step': out of memory: 1310720 more bytes .* 262144 bytes are live in 1 buffers; .*; try perDeviceTrainBatchSize 2/,
  )
  assert.equal(device.memory.stats, before)
  // The same chain fits where its tensors share buffers.
  const { recording, result } = await device.record('step', chain(5), (y) => [y.storage])
  x.write(new Float32Array(x.size).fill(1))
  await recording.replay()
  assert.is((await result.data())[0], 32)
  device.destroy()
})

test('one buffer over maxBufferSize is refused by name, eager and recorded', async () => {
  const device = await openTestDevice({ cap: { maxBufferSize: 1 << 20 } })
  const fits = Tensor.empty(device, [(1 << 20) / 4], 'fits')
  assert.is(fits.storage.buffer?.size, 1 << 20)
  const error = await errorOf(() => Tensor.empty(device, [(1 << 20) / 4 + 1], 'logits'))
  assert.instance(error, OutOfMemoryError)
  assert.match(error.message, /logits: out of memory: 1048580 more bytes .*maxBufferSize of 1048576/)
  const x = Tensor.from(device, [1])
  const large = () => {
    const y = Tensor.empty(device, [1 << 19], 'hidden')
    device.run({ op: 'hidden', shader: copyShader, bind: [y.bind(0, 1), x.bind()], words: [], groups: 1 })
  }
  const recorded = await errorOf(() => device.record('step', large, () => []))
  assert.match(recorded.message, /recording 'step': out of memory: 2097152 more bytes .*maxBufferSize of 1048576/)
  device.destroy()
})

const copyShader = `
struct Params { base: u32, total: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@compute @workgroup_size(1)
fn main() { if (p.base < p.total) { out[0] = x[0]; } }`

test('a failing allocation rejects the next read or sync with the name of the op, and its buffer is not used again', async () => {
  const device = await openTestDevice({})
  const x = Tensor.from(device, floats(4096))
  await device.sync()
  const { gpu } = device
  const pop = gpu.popErrorScope.bind(gpu)
  const failOnce = () => {
    gpu.popErrorScope = async () => {
      gpu.popErrorScope = pop
      await pop()
      return { message: 'no memory left\nand more' } as GPUError
    }
  }
  failOnce()
  const y = Tensor.empty(device, [777], 'logits')
  const error = await errorOf(() => x.data())
  assert.instance(error, OutOfMemoryError)
  assert.match(error.message, /logits: out of memory: .* live .*; no memory left; use a smaller batch/)
  y.dispose()
  assert.is(device.memory.stats.pooledBytes, 0)
  failOnce()
  Tensor.empty(device, [7777], 'hidden').dispose()
  await assert.rejects(device.sync(), /hidden: out of memory/)
  assert.is(device.memory.stats.pooledBytes, 0)
  assert.is(takeGpuErrors().length, 2, 'onError heard of both')
  await device.sync()
  device.destroy()
})

test('tensors and recordings that nobody holds give their memory back when others are made', async () => {
  const device = await openTestDevice({})
  const x = Tensor.from(device, floats(1 << 20))
  const forget = async (i: number) => {
    const { recording } = await device.record(
      `r${i}`,
      () => relu(scale(x, 2)),
      (y) => [y.storage],
    )
    await recording.replay()
  }
  for (let i = 0; i < 100; i++) {
    await forget(i)
    await relu(x).data() // 3 MiB a turn, 300 in all
  }
  for (let i = 0; i < 1000 && device.memory.stats.liveBytes > 128 << 20; i++) await relu(x).data()
  const { liveBytes } = device.memory.stats
  assert.ok(liveBytes <= 128 << 20, `live ${liveBytes}`)
  device.destroy()
})
