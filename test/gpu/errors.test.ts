import { type Device, DeviceLostError } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { matmul, relu, scale } from '../../src/ops'
import { assert, openTestDevice, takeGpuErrors, test } from '../harness'

const broken = `
struct Params { base: u32, total: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(1)
fn main() { out[0] = nonsense; }`

test('a kernel that does not compile rejects with the op and the compiler’s notes; the next work runs', async () => {
  const device = await openTestDevice()
  const out = Tensor.from(device, [1])
  const run = () => device.run({ op: 'wrong', shader: broken, bind: [out.bind()], words: [], groups: 1 })
  run()
  await assert.rejects(out.data(), /wrong: the kernel does not compile: .*nonsense/)
  await assert.rejects(
    device.record('r', run, () => []),
    /wrong: the kernel does not compile: .*nonsense/,
  )
  assert.is(takeGpuErrors().length, 1, 'onError heard of the eager one, the recording rejected by itself')
  assert.equal([...(await scale(out, 2).data())], [2])
})

test('a validation error rejects with the name of its op, eager and recorded; the next work runs', async () => {
  const device = await openTestDevice()
  const [x, y] = [Tensor.from(device, [1, 2]), Tensor.from(device, [3, 4])]
  const outside = () => {
    relu(x)
    const size = 1 << 15 // beyond the buffer
    const copy = broken.replace('nonsense', '1.0')
    device.run({ op: 'outside', shader: copy, bind: [{ ...y.bind(), size }], words: [], groups: 1 })
  }
  outside()
  await assert.rejects(y.data(), /outside: .*/)
  await assert.rejects(
    device.record('r', outside, () => []),
    /outside: .*/,
  )
  assert.match(takeGpuErrors()[0].message, /^outside: /)
  device.write(y.storage, 1 << 20, new Float32Array([1]))
  await assert.rejects(device.sync(), /write to a tensor made by tensor: /)
  await assert.rejects(device.read(y.storage, 1 << 20, 4), /read of a tensor made by tensor: /)
  takeGpuErrors()
  assert.equal([...(await scale(y, 2).data())], [6, 8])
})

test('too many bindings, too large ones, or not those of the kernel are refused by name', async () => {
  const device = await openTestDevice({ cap: { maxStorageBuffersPerShaderStage: 2, maxStorageBufferBindingSize: 1024 } })
  const x = Tensor.from(device, new Float32Array(300))
  const many = Array.from({ length: 3 }, (_, i) => `@group(0) @binding(${i + 1}) var<storage, read_write> b${i}: array<f32>;`).join('\n')
  const run = (shader: string, bind = [x.bind(0, 4), x.bind(64, 4), x.bind(128, 4)]) =>
    device.run({ op: 'many', shader, bind, words: [], groups: 1 })
  const shader = `${many}\n@compute @workgroup_size(1) fn main() { b0[0] = b1[0] + b2[0]; }`
  assert.throws(() => run(shader), /many: 3 storage buffers, this device allows 2/)
  assert.throws(() => run(shader, [x.bind(0, 4)]), /many: the kernel has 3 storage bindings, the op gave 1/)
  assert.throws(() => run(broken, [x.bind()]), /many: a binding of 1200 bytes exceeds maxStorageBufferBindingSize 1024/)
  device.destroy()
})

async function lostMidStep(device: Device, lose: () => void): Promise<Error[]> {
  const x = Tensor.from(device, new Float32Array(160 * 160).fill(1), [160, 160])
  const { recording, result } = await device.record(
    'step',
    () => matmul(matmul(x, x), x),
    (y) => [y.storage],
  )
  await recording.replay()
  const pending = [result.data(), recording.replay(), matmul(x, x).data(), recording.replay(), device.sync()]
  const compiling = device.record(
    'compiling',
    () => relu(x),
    (y) => [y.storage],
  )
  const outcome = Promise.allSettled([...pending, compiling])
  lose()
  const errors = (await outcome).flatMap((o) => (o.status === 'rejected' ? [o.reason as Error] : []))
  await device.lost
  for (const use of [() => relu(x), () => x.data(), () => x.write(new Float32Array(x.size)), () => recording.replay(), () => device.sync()])
    await Promise.resolve()
      .then(use)
      .then(
        () => errors.push(new Error('used after the loss without an error')),
        (e) => errors.push(e),
      )
  x.dispose()
  recording.dispose()
  return errors
}

test('a device lost in the middle of a step: everything pending rejects with DeviceLostError, a new device works', async () => {
  const device = await openTestDevice({})
  const errors = await lostMidStep(device, () => device.gpu.destroy())
  for (const e of errors) {
    assert.instance(e, DeviceLostError)
    assert.match(e.message, /the device was lost .*Open a new device and go on from the last checkpoint/)
  }
  assert.ok(errors.length >= 5 + 4, `${errors.length} rejections`)
  assert.is(takeGpuErrors().length, 1, 'onError hears of the loss once')
  const next = await openTestDevice({})
  assert.equal([...(await scale(Tensor.from(next, [2]), 3).data())], [6])
  next.destroy()
})

test('destroy() in the middle of a step: what waits rejects, use says so, onError hears nothing; twice is harmless', async () => {
  const device = await openTestDevice({})
  const errors = await lostMidStep(device, () => {
    device.destroy()
    device.destroy()
  })
  for (const e of errors) {
    assert.instance(e, DeviceLostError)
    assert.match(e.message, /this device was destroyed: open a new one/)
  }
  assert.ok(errors.length >= 5 + 4, `${errors.length} rejections`)
  assert.is(takeGpuErrors().length, 0)
})

test('create, train, destroy, create again; a device of one’s own does not disturb another', async () => {
  const shared = await openTestDevice()
  const y = Tensor.from(shared, [4])
  for (let i = 0; i < 3; i++) {
    using device = await openTestDevice({})
    assert.equal([...(await scale(Tensor.from(device, [i]), 2).data())], [2 * i])
  }
  assert.equal([...(await scale(y, 2).data())], [8])
})

test('openDevice says which adapter computes', async () => {
  const lines: string[] = []
  const device = await openTestDevice({ log: (line) => lines.push(line), withhold: ['subgroups', 'timestamp-query', 'shader-f16'] })
  assert.equal(lines, [`condlora: running on ${device.adapterName}`])
  assert.is(/software, on the processor/.test(device.adapterName), device.software)
  assert.is(device.features.size, 0)
  device.destroy()
})
