// Half floats in tests of ops.
import type { Device } from '../../src/gpu'
import type { DType } from '../../src/graph'
import { fromHalf, toHalf } from '../../src/io'
import { assert } from '../harness'
import type { Value } from './check'

export const dtypeOf = (half: boolean): DType => (half ? 'f16' : 'f32')

/** The numbers that a tensor of this dtype holds. */
export const rounded = ({ shape, data }: Value, dtype: DType): Value => ({ shape, data: dtype === 'f16' ? fromHalf(toHalf(data)) : data })

/** Runs `body` where the device computes with half floats; elsewhere it must be refused in words. */
export async function withHalves(device: Device, body: () => Promise<unknown>): Promise<void> {
  if (device.features.has('shader-f16')) return void (await body())
  await assert.rejects(body, /numbers of dtype f16 need the feature shader-f16/)
}
