import { doctor, doctorReport } from '../../src/doctor'
import { allSubjects } from '../../src/doctor/subjects'
import { assert, openTestDevice, takeGpuErrors, test } from '../harness'
import { withBroken } from './broken'

// Software drivers take a minute to compile all kernels for the first time.
const slow = { timeoutMs: 900_000 }

test(
  'every form of every kernel is right here; the report says so, to be pasted or parsed',
  async () => {
    const device = await openTestDevice()
    const steps: number[] = []
    const { ok, text, json } = await doctorReport(device, { system: { release: '6.1' }, progress: (done) => void steps.push(done) })
    assert.equal(
      json.kernels.filter((k) => !k.ok),
      [],
    )
    assert.ok(ok)
    const all = allSubjects(device)
    assert.equal(
      json.kernels.map((k) => k.name),
      all.map((s) => s.name),
    )
    assert.is(new Set(json.kernels.map((k) => k.name)).size, all.length)
    assert.equal(
      json.kernels.filter((k) => k.skipped).map((k) => k.name),
      all.filter((s) => s.skip).map((s) => s.name),
    )
    for (const { name, error, skipped } of json.kernels) assert.ok(skipped || (error !== undefined && error >= 0 && error <= 1e-5), name)
    assert.ok(json.kernels.some((k) => (k.error ?? 0) > 0))
    assert.equal(
      steps,
      all.map((_, i) => i + 1),
    )
    assert.equal(JSON.parse(JSON.stringify(json)), json)
    assert.match(json.versions.condlora, /^\d+\.\d+\.\d+$/)
    for (const word of [
      json.versions.condlora,
      device.adapterName,
      'maxStorageBufferBindingSize',
      'release',
      '6.1',
      'This device computes right.',
    ])
      assert.ok(text.includes(word), `${word} in\n${text}`)
    for (const { name } of all) assert.ok(text.includes(` ${name}`), name)
    for (const feature of device.features) assert.ok(text.includes(feature))
  },
  slow,
)

test('again, with all kernels compiled, the doctor takes seconds', async () => {
  const device = await openTestDevice()
  await doctor(device)
  const { json } = await doctorReport(device)
  assert.is(json.compiled, 0)
  if (!device.software) assert.ok(json.seconds < 5, `${json.seconds} s`)
})

test('a wrong kernel is in text and JSON by name, with its error', async () => {
  const device = await openTestDevice()
  const mutation = { file: 'mse', find: 'out[i] = d * d;', replace: 'out[i] = -d * d;' }
  const { ok, text, json } = await withBroken(device, mutation, () => doctorReport(device))
  assert.not.ok(ok)
  const wrong = json.kernels.filter((k) => !k.ok)
  assert.equal(
    wrong.map(({ name, file, error = 0 }) => [name, file, error.toFixed(5)]),
    [['mse.wgsl FORM=0', 'mse', '2.00000']],
  )
  assert.match(text, /^WRONG 2\.0e\+0 {3}mse\.wgsl FORM=0: relative error 2\.00, at most 0\.00001$/m)
  assert.match(text, /This device computes wrong: mse\.wgsl FORM=0$/)
})

test('a kernel that does not compile, or has not the bindings of its check, is reported and not thrown', async () => {
  const device = await openTestDevice()
  const subjects = allSubjects(device).filter((s) => s.file === 'broadcast' || s.file === 'mse')
  const report = async (find: string, replace: string) => {
    const results = await withBroken(device, { file: 'broadcast', find, replace }, () => doctor(device, { subjects }))
    assert.equal(
      results.map((r) => [r.name, r.ok]),
      subjects.map((s) => [s.name, s.file !== 'broadcast']),
    )
    return results.find((r) => !r.ok)?.problem ?? ''
  }
  assert.match(await report('p.factor *', 'p.nothing *'), /does not compile: .*nothing/)
  assert.match(await report('const GROUP = 64u;', '#if NOTHING'), /cannot evaluate #if NOTHING/)
  assert.match(await report('@group(0) @binding(2) var<storage, read> s', '@group(0) @binding(3) var<storage, read> s'), /binding/i)
  assert.equal(takeGpuErrors(), [])
  assert.ok((await doctor(device, { subjects })).every((r) => r.ok))
})

test('a device that is lost is a finding', async () => {
  const device = await openTestDevice({})
  device.destroy()
  const { ok, text } = await doctorReport(device)
  assert.not.ok(ok)
  assert.match(text, /WRONG.*the device: this device was destroyed/)
})

test('the doctor leaves memory and pacing as they were', async () => {
  const device = await openTestDevice()
  const before = [device.memory.stats.liveBuffers, device.pacer.submits, device.pacer.scale]
  await doctor(device, { subjects: allSubjects(device, true) })
  assert.equal([device.memory.stats.liveBuffers, device.pacer.submits, device.pacer.scale], before)
})
