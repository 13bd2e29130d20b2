// What the tests of browsers call inside a page and its worker.
import * as library from '../../../src/gpu'
import { Tensor } from '../../../src/graph'
import { scale } from '../../../src/ops'

const gpu = {
  /** What `openDevice` says: the line of its log, or its error. A device must compute. */
  async open(options: library.OpenDeviceOptions = {}): Promise<string> {
    let line = ''
    try {
      const device = await library.openDevice({ ...options, log: (said) => (line = said) })
      const [six] = await scale(Tensor.from(device, [2]), 3).data()
      device.destroy()
      return six === 6 ? line : `2 · 3 = ${six}`
    } catch (thrown) {
      return (thrown as Error).message
    }
  },
}

declare global {
  var condloraGpu: typeof gpu
}
globalThis.condloraGpu = gpu
