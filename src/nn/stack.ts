import { type Device, GpuError } from '../gpu'
import { Tensor } from '../graph'

/**
 * Weights of one kind, all layers in one buffer (several where a buffer cannot hold them): layer l's `parts` matrices
 * [out, in] lie together, e.g. query, key, value. Whoever needs them all reads them in place, by a stride.
 */
export function weightStack(device: Device, name: string, layers: number, parts: number, outputs: number, inputs: number): Tensor[][] {
  const perLayer = parts * outputs * inputs
  const together = Math.min(layers, Math.floor(device.limits.maxBufferSize / (perLayer * 4)))
  if (together === 0) throw new GpuError(`${name}: one layer's ${perLayer * 4} bytes exceed maxBufferSize ${device.limits.maxBufferSize}`)
  const views: Tensor[][] = []
  for (let first = 0; first < layers; first += together) {
    const count = Math.min(together, layers - first)
    const block = new Tensor(device, device.allocatePinned(count * perLayer * 4, name), [count, parts, outputs, inputs])
    for (let l = 0; l < count; l++)
      views.push(Array.from({ length: parts }, (_, part) => block.view([outputs, inputs], (l * parts + part) * outputs * inputs)))
  }
  return views
}
