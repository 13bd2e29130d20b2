import { assert, test } from '../harness'
import { runChild } from './child'

// No driver to be found, whatever the machine has.
const none = { ...process.env, VK_DRIVER_FILES: '/nonexistent', VK_ICD_FILENAMES: '/nonexistent', CONDLORA_VULKAN: '' }

test('without an adapter openDevice says what to install and how to ask for the processor', async () => {
  const { code, output } = await runChild('adapter', [], { env: none })
  assert.is(code, 1, output)
  assert.match(output, /openDevice: no WebGPU adapter was found/)
  assert.match(output, /Linux: install a Vulkan driver .*mesa-vulkan-drivers.*macOS.*Windows.*openDevice\(\{ software: true \}\)/s)
})

test('asked for, the processor computes, and its name says so', async () => {
  const { code, output } = await runChild('adapter', ['software'], { env: none })
  assert.is(code, 0, output)
  assert.match(output, /SwiftShader.*\(software, on the processor\)/)
})

test('the processor is not taken where nobody asked for it', async () => {
  // With the software driver in place of a GPU's, the only adapter is the processor.
  const { code, output } = await runChild('forced')
  assert.is(code, 1, output)
  assert.match(output, /the only WebGPU adapter here is .*SwiftShader.*nobody asked for it.*openDevice\(\{ software: true \}\)/s)
})
