import { test } from '../../harness'

// An error of the GPU on a device whose errors nobody listens to.
test('x', async () => {
  const adapter = await navigator.gpu.requestAdapter()
  const device = await adapter!.requestDevice()
  device.createShaderModule({ code: 'nonsense' })
  await device.queue.onSubmittedWorkDone()
})
