import { guard } from '../../../doctor'
import { type Device, openDevice } from '../../../gpu'
import { userCache } from '../../../io'

const missing =
  'This browser offers no WebGPU in workers, where this page trains. Chrome and Edge have it from 113 on (on Linux from 144 on, or with ' +
  'chrome://flags/#enable-unsafe-webgpu), Safari from 26, Firefox from 141 on Windows and 145 on Macs; elsewhere Firefox wants ' +
  'dom.webgpu.enabled and dom.webgpu.workers.enabled switched on in about:config. The page must come over https or from localhost.'

const onProcessor = 'To compute on the processor, which is slow, start Chrome with --enable-unsafe-webgpu --use-webgpu-adapter=swiftshader.'

/** The device of this worker: one that was lost gives way to another when somebody asks again. */
export class Gpu {
  #opened: Promise<Device> | null = null

  constructor(private readonly notice: (text: string) => void) {}

  /** @throws Error that says what the browser lacks */
  device(): Promise<Device> {
    this.#opened ??= this.#open()
    return this.#opened
  }

  async #open(): Promise<Device> {
    try {
      if (!globalThis.navigator.gpu) throw new Error(missing)
      // What no call rejects with is told; a loss and a lack of memory always reach a call.
      const onError = ({ name, message }: Error) => !/DeviceLost|StepTimeout|OutOfMemory/.test(name) && this.notice(message)
      const device = await openDevice({ software: true, log: () => {}, onError }).catch((thrown: Error) => {
        throw new Error(thrown.message.replace(/To run on the processor.*/, onProcessor))
      })
      guard(device, { cache: userCache() })
      void device.lost.then(() => {
        this.#opened = null
      })
      return device
    } catch (thrown) {
      this.#opened = null
      throw thrown
    }
  }
}
