import type { Device } from '../gpu'
import type { FloatDType, Tensor } from '../graph'
import type { EncoderConfig } from './config'
import { ModelForSequenceClassification } from './sequence_classification'

/** From here on a number rounds to infinity; the largest half float is 65504. */
const beyond = 65520

/** @throws Error where `dtype` is none, or the device has no half floats */
export function checkHalf(dtype: string, device: Device): void {
  if (dtype !== 'fp16') throw new TypeError(`fromPretrained: dtype: wanted "fp32" or "fp16", got ${JSON.stringify(dtype)}`)
  if (!device.features.has('shader-f16'))
    throw new Error(
      `fromPretrained: dtype "fp16" computes with half floats, and ${device.adapterName} has no shader-f16 here: load with dtype "fp32", or open another device`,
    )
}

/** Frozen weights of one kind that stay f32: the tensor that is why, and its largest number. */
interface Kept {
  name: string
  largest: number
}

/**
 * A model with half floats for weights, loaded by `load`; tables and kinds of layers that hold what no half float can be are f32, which
 * `kept` says of each.
 */
export async function loadHalf(
  device: Device,
  config: EncoderConfig,
  nameOrPath: string,
  load: (model: ModelForSequenceClassification, watch: (name: string, tensor: Tensor, values: Float32Array) => void) => Promise<void>,
): Promise<{ model: ModelForSequenceClassification; kept: string[] }> {
  const wide = new Map<string, Kept>()
  const dtypeOf = (group: string): FloatDType => (wide.has(group) ? 'f32' : 'f16')
  for (;;) {
    const before = wide.size
    const model = new ModelForSequenceClassification(device, config, nameOrPath, undefined, dtypeOf)
    // A group that turns out not to fit is loaded again, with all others: that is rare, and one reading the rule.
    await load(model, (name, { dtype, storage }, values) => {
      if (dtype !== 'f16') return
      const { largest } = wide.get(storage.madeBy) ?? { largest: 0 }
      const here = outside(values, largest)
      if (here !== undefined) wide.set(storage.madeBy, { name, largest: here })
    })
    if (wide.size === before) return { model, kept: [...wide].map(told) }
    for (const tensor of [...model.encoder.tensors.values(), ...model.head.tensors.values()]) tensor.dispose()
  }
}

/** The largest magnitude that is no half float and larger than `least`; NaN is larger than any. */
function outside(values: Float32Array, least: number): number | undefined {
  let largest = least
  let found = false
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i])
    if (magnitude < beyond || magnitude <= largest || Number.isNaN(largest)) continue
    found = true
    largest = magnitude
  }
  return found ? largest : undefined
}

const told = ([group, { name, largest }]: [string, Kept]) =>
  `${name} holds ${largest}, which no half float does (the largest is 65504): ${group} stays f32`
