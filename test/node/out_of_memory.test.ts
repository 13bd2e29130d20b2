import { OutOfMemoryError } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { scale } from '../../src/ops'
import { assert, openTestDevice, takeGpuErrors, test } from '../harness'

test('an allocation that the driver refuses rejects the next read with the name of the op; then work goes on', async () => {
  const device = await openTestDevice({ cap: {} })
  // SwiftShader names a largest buffer that it cannot give; other drivers may have the memory.
  if (!/SwiftShader/.test(device.adapterName)) return console.log(`    not on ${device.adapterName}`)
  const x = Tensor.from(device, [1, 2])
  const logits = Tensor.empty(device, [device.limits.maxBufferSize / 4], 'logits')
  const error = await x.data().then(
    () => null,
    (e) => e,
  )
  assert.instance(error, OutOfMemoryError)
  assert.match(error.message, /logits: out of memory: 1073741824 more bytes .*VK_ERROR_OUT_OF_DEVICE_MEMORY; use a smaller batch/)
  takeGpuErrors()
  logits.dispose()
  assert.equal([...(await scale(x, 2).data())], [2, 4])
  device.destroy()
})
