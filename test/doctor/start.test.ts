import { checkPresent, doctorReport, guard, WrongKernelError } from '../../src/doctor'
import { presentSubjects } from '../../src/doctor/subjects'
import type { Device } from '../../src/gpu'
import { type Kernel, Kernels } from '../../src/gpu/pipelines'
import { Tensor } from '../../src/graph'
import { type Files, memoryFiles } from '../../src/io/files'
import { Random, softmax } from '../../src/ops'
import { TinyTraining } from '../gpu/check'
import { assert, openTestDevice, test } from '../harness'
import { withBroken } from './broken'

const start = () => new Random(5).normal(TinyTraining.size, 0.2)
const record = (device: Device) => {
  const training = new TinyTraining(device, start())
  return device.record(
    'step',
    () => training.run(),
    (loss) => [loss.storage],
  )
}
const wrongNorm = { file: 'adamw', find: 'min(1.0, p.maxNorm / (norm + 1e-6))', replace: 'p.maxNorm / (norm + 1e-6)' }
const cached = async (files: Files) => JSON.parse(new TextDecoder().decode(await files.read('doctor.json'))) as Record<string, string[]>

test('after a step was recorded exactly its kernels are checked, quickly, and once', async () => {
  const device = await openTestDevice({})
  await record(device)
  const present = presentSubjects(device).length
  assert.ok(present >= 8, `${present}`)
  const { compiled } = device.kernels
  assert.is(compiled, present)
  const began = performance.now()
  assert.is(await checkPresent(device), present)
  const seconds = (performance.now() - began) / 1000
  console.log(`    ${present} kernels in ${seconds} s`)
  if (!device.software) assert.ok(seconds < 1, `${seconds} s`)
  assert.is(device.kernels.compiled, compiled, 'nothing is compiled for it')
  assert.is(await checkPresent(device), 0)
  const { json } = await doctorReport(device, { short: true })
  assert.equal([json.ok, json.kernels.length, json.compiled], [true, present, 0])
  device.destroy()
})

test('what was right is not checked again on the same adapter, driver and version', async () => {
  const cache = memoryFiles('cache')
  const runs: number[] = []
  const run = async () => {
    const device = await openTestDevice({})
    await record(device)
    runs.push(await checkPresent(device, { cache }))
    return device
  }
  const device = await run()
  const [[key, names]] = Object.entries(await cached(cache))
  assert.is(names.length, runs[0])
  assert.ok(key.includes(device.adapterName) && /"condlora":"\d/.test(key), key)
  ;(await run()).destroy()
  // Another driver, another version, a torn file: all is checked.
  for (const text of [JSON.stringify({ [key.replace(device.adapterName, 'other')]: names }), '{"a', JSON.stringify({ [key]: 'all' })]) {
    await cache.write('doctor.json', new TextEncoder().encode(text))
    ;(await run()).destroy()
  }
  assert.equal(runs, [runs[0], 0, runs[0], runs[0], runs[0]])
  assert.ok(runs[0] > 0)
  device.destroy()
})

test('under guard a wrong kernel stops the run before it is replayed: its name, and how to report it', async () => {
  const device = await openTestDevice({})
  const cache = memoryFiles('cache')
  guard(device, { cache })
  const error = await withBrokenText(device, async () => {
    try {
      await record(device)
    } catch (thrown) {
      return thrown as WrongKernelError
    }
    return undefined
  })
  assert.instance(error, WrongKernelError)
  assert.equal(error?.kernels, ['adamw.wgsl FORM=1'])
  assert.match(error?.message ?? '', /computes wrong numbers.*adamw\.wgsl FORM=1: relative error .*report it with.*condlora doctor/s)
  assert.is(await cache.size('doctor.json'), undefined, 'nothing is remembered of a run that failed')
  device.destroy()
})

test('under guard a run on a right device goes on, and new kernels of later recordings are checked', async () => {
  const device = await openTestDevice({})
  const cache = memoryFiles('cache')
  guard(device, { cache })
  const { recording } = await record(device)
  const first = Object.values(await cached(cache))[0].length
  assert.ok(first >= 8)
  await recording.replay()
  await device.sync()
  const x = Tensor.from(device, [1, 2, 3])
  await device.record(
    'other',
    () => x.view([3]),
    () => [],
  )
  assert.is(Object.values(await cached(cache))[0].length, first, 'nothing new')
  await device.record(
    'softmax',
    () => softmax(x),
    (y) => [y.storage],
  )
  assert.is(Object.values(await cached(cache))[0].length, first + 1)
  device.destroy()
})

test('a cache that cannot be read or written costs a check, no more', async () => {
  const device = await openTestDevice({})
  await record(device)
  const refuse = async () => {
    throw new Error('EACCES')
  }
  const files = memoryFiles('none')
  assert.ok((await checkPresent(device, { cache: { ...files, read: refuse, size: refuse, write: refuse } })) > 0)
  device.destroy()
})

/** As on a device that computes this kernel wrong: the device has the right text, and runs another. */
async function withBrokenText<T>(device: Device, body: () => Promise<T>): Promise<T> {
  const { kernels } = device
  const correct = (text: string) => text.replace(wrongNorm.replace, wrongNorm.find)
  const right = (kernel: Kernel): Kernel => ({
    ...kernel,
    shader: typeof kernel.shader === 'string' ? correct(kernel.shader) : kernel.shader,
    text: kernel.text && { ...kernel.text, source: correct(kernel.text.source) },
  })
  // The list of kernels tells the text that was asked for.
  const get = () => (Reflect.get(Kernels.prototype, 'all', kernels) as Kernel[]).map(right)
  Object.defineProperty(kernels, 'all', { configurable: true, get })
  try {
    return await withBroken(device, wrongNorm, body)
  } finally {
    Reflect.deleteProperty(kernels, 'all')
  }
}
