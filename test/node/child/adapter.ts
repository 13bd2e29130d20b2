// Opens a device as told by argv and prints the adapter or the error.
import { openDevice } from '../../../src/gpu'

try {
  const device = await openDevice({ software: process.argv[2] === 'software', log: () => {} })
  console.log(device.adapterName)
} catch (error) {
  console.log((error as Error).message)
  process.exitCode = 1
}
