import { isLinuxX64 } from '../../src/gpu/chromium.node'
import { assert, test } from '../harness'
import { inPage } from './inside'
import { type TenSteps, tenSteps } from './inside/ten_steps'

// On SwiftShader, which both have on Linux x64, two versions of Dawn compile the kernels to the same arithmetic. Elsewhere
// Node and the browser may take different backends of one GPU: sums then differ in their last bits.
test('ten steps of CondLoRA with dropout: the same losses, gradient norms and adapter in Node and in Chromium', async () => {
  const inNode = await tenSteps(isLinuxX64 ? 'SwiftShader' : undefined)
  const inChromium = await inPage<TenSteps>('ten_steps', 'tenSteps')
  assert.is(inNode.losses.length, 10)
  assert.ok(new Set(inNode.losses).size > 5 && inNode.gradNorms.every((norm) => norm > 0))
  if (isLinuxX64 && !process.env.CONDLORA_CHROME) {
    assert.match(inChromium.adapter, /swiftshader/i)
    assert.equal(inChromium.losses, inNode.losses)
    assert.equal(inChromium.gradNorms, inNode.gradNorms)
    assert.is(inChromium.bytes.length, inNode.bytes.length)
    assert.is(inChromium.bytes.filter((byte, i) => byte !== inNode.bytes[i]).length, 0, 'bytes of the adapter that differ')
  } else {
    assert.close(inChromium.losses, inNode.losses, 1e-4, 'losses')
    assert.close(inChromium.gradNorms, inNode.gradNorms, 1e-4, 'gradient norms')
    assert.close(inChromium.weights, inNode.weights, 1e-4, 'adapter')
  }
})
