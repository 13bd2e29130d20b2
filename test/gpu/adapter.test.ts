import { describe, isSoftware } from '../../src/gpu/open'
import { assert, test } from '../harness'

const adapter = (info?: Partial<GPUAdapterInfo>) => ({ info }) as GPUAdapter

test('what an adapter says of itself may lack any field, or all', () => {
  const name = { vendor: 'a vendor', architecture: 'an architecture', device: 'a device', description: 'a description' }
  for (const info of [undefined, {}, { vendor: '', architecture: '', device: '', description: '' }]) {
    assert.is(describe(adapter(info)), 'unnamed adapter')
    assert.is(isSoftware(adapter(info)), false)
  }
  for (const field of Object.keys(name) as (keyof typeof name)[]) assert.is(describe(adapter({ [field]: name[field] })), name[field])
  assert.is(describe(adapter(name)), 'a description')
})

test('a software adapter is known by its flag, or by its name in any field', () => {
  assert.is(describe(adapter({ isFallbackAdapter: true })), 'unnamed adapter (software, on the processor)')
  assert.is(describe(adapter({ architecture: 'swiftshader' })), 'swiftshader (software, on the processor)')
  for (const description of ['llvmpipe (LLVM 15)', 'Microsoft Basic Render Driver']) assert.ok(isSoftware(adapter({ description })))
  assert.not.ok(isSoftware(adapter({ vendor: 'nvidia', architecture: 'hopper' })))
})
