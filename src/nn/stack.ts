import { type Device, GpuError } from '../gpu'
import { bytesOf, type FloatDType, Tensor } from '../graph'

/**
 * Weights of one kind, all layers in one buffer (several where a buffer cannot hold them): layer l's `parts` matrices
 * [out, in] lie together, e.g. query, key, value. Whoever needs them all reads them in place, by a stride.
 */
export function weightStack(
  device: Device,
  name: string,
  layers: number,
  parts: number,
  [outputs, inputs]: [outputs: number, inputs: number],
  dtype: FloatDType = 'f32',
): Tensor[][] {
  // Each begins at a whole word.
  const apart = bytesOf(outputs * inputs, dtype) / (dtype === 'f16' ? 2 : 4)
  const perLayer = bytesOf(parts * apart, dtype)
  const together = Math.min(layers, Math.floor(device.limits.maxBufferSize / perLayer))
  if (together === 0) throw new GpuError(`${name}: one layer's ${perLayer} bytes exceed maxBufferSize ${device.limits.maxBufferSize}`)
  const views: Tensor[][] = []
  for (let first = 0; first < layers; first += together) {
    const count = Math.min(together, layers - first)
    const block = new Tensor(device, device.allocatePinned(count * perLayer, name), [count, parts, apart], dtype)
    for (let l = 0; l < count; l++)
      views.push(Array.from({ length: parts }, (_, part) => block.view([outputs, inputs], (l * parts + part) * apart)))
  }
  return views
}
