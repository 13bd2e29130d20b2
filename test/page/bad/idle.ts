import { openTestDevice, test } from '../../harness'

// Passes, unless something happens to the page or its GPU in the meantime.
test('x', async () => {
  await openTestDevice()
  await new Promise((resolve) => setTimeout(resolve, 2000))
})
