import { openTestDevice, test } from '../../harness'

// Passes, unless something happens to the page or its GPU in the meantime.
test('x', async () => {
  const device = await openTestDevice()
  const lost = device.gpu.lost.then(() => {})
  await Promise.race([lost, new Promise((resolve) => setTimeout(resolve, 5000))])
})
