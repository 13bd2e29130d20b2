import { type Device, openDevice } from '../../../gpu'
import type { DeviceInfo, Event, Request } from '../protocol'

/** What the worker holds, and who answers which call. */
export class Desk {
  #device: Device | null = null

  constructor(private readonly tell: (event: Event) => void) {}

  async answer(request: Request): Promise<unknown> {
    if (request.call === 'open') return this.#open()
    throw new Error(`${request.call}: not there yet`)
  }

  async #open(): Promise<DeviceInfo> {
    this.#device ??= await openDevice({
      software: true,
      log: () => {},
      onError: (error) => this.tell({ event: 'notice', text: error.message }),
    })
    const { adapterName, software, features } = this.#device
    return { adapter: adapterName, software, features: [...features] }
  }
}
