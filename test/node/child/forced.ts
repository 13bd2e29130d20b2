// Puts the software driver where a GPU's would be, then asks for a GPU.
import { openDevice } from '../../../src/gpu'
import { loadSoftwareAdapter } from '../../../src/gpu/software.node'

await loadSoftwareAdapter()
try {
  console.log((await openDevice()).adapterName)
} catch (error) {
  console.log((error as Error).message)
  process.exitCode = 1
}
