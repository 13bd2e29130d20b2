import { shaders } from 'condlora:build'
import { preprocess } from '../../src/gpu'
import { assert, openTestDevice, test } from '../harness'

/** What WGSL enables, by the feature that a device must have for it. */
const features: Record<string, string> = {
  f16: 'shader-f16',
  subgroups: 'subgroups',
  chromium_experimental_subgroup_matrix: 'chromium-experimental-subgroup-matrix',
}
const entry = /@compute[^{]*?fn\s+(\w+)/g

test('the default form of every kernel compiles, with at most 8 storage bindings', async () => {
  const device = await openTestDevice()
  assert.ok(Object.keys(shaders).length > 0)
  for (const [name, source] of Object.entries(shaders)) {
    const code = preprocess(source)
    const enabled = [...code.matchAll(/^enable (\w+);/gm)].map((m) => features[m[1]] ?? m[1])
    if (enabled.some((feature) => !device.features.has(feature))) continue // never asked for where it is missing
    assert.ok([...code.matchAll(/var<storage/g)].length <= 8, `${name}: storage bindings`)
    const entries = [...code.matchAll(entry)].map((m) => m[1])
    assert.ok(entries.length > 0, `${name}: no entry point`)
    for (const main of entries) {
      const kernel = device.kernels.get(name, source, main, undefined)
      assert.ok(await kernel.pipeline, name)
      const writes = kernel.text?.writes ?? []
      assert.ok(writes.length >= 1 && writes.length <= 8, `${name}: ${writes.length} bindings`)
      assert.ok(writes.includes(true), `${name} writes nothing`)
    }
  }
  await device.sync()
})

test('no kernel has `override` constants: Safari does not take them for the sizes of arrays', () => {
  for (const [name, source] of Object.entries(shaders)) assert.not.match(source.replace(/\/\/.*/g, ''), /\boverride\b/, name)
})

test('a kernel is compiled once per text, entry and constants', async () => {
  const device = await openTestDevice({})
  const { activation, elementwise } = shaders
  const first = device.kernels.get('a', elementwise, 'main', { FORM: 0 })
  assert.is(device.kernels.get('b', elementwise, 'main', { FORM: 0 }), first)
  assert.is(device.kernels.compiled, 1)
  const others = [
    device.kernels.get('a', elementwise, 'main', { FORM: 4 }),
    device.kernels.get('a', elementwise, 'main', undefined),
    device.kernels.get('a', activation, 'main', undefined),
  ]
  assert.is(new Set([first, ...others]).size, 4)
  assert.is(device.kernels.compiled, 4)
  assert.is(device.kernels.open, 4)
  await Promise.all([first, ...others].map((k) => k.pipeline))
  assert.is(device.kernels.open, 0)
  device.destroy()
})
