import shader from '../../shaders/row_norm.wgsl'
import { complain, f32, GpuError } from '../gpu'
import { halves, type Tensor } from '../graph'
import type { LowRank } from './lora_linear'

/**
 * out[i] = 1 / ‖W[i] + s·B[i]·A‖₂: W [out, in], A [r, in], B [out, r], out [out], f32 (W also f16). W + s·B·A is never formed. Without a
 * gradient, as DoRA takes the norm for a constant.
 */
export function inverseRowNorms(weight: Tensor, { A, B, scaling }: LowRank, out: Tensor): void {
  const [outputs, inputs] = weight.shape
  const [r] = A.shape
  if (A.shape[1] !== inputs) complain('rowNorm', 'A', `[r, ${inputs}]`, `[${A.shape}]`)
  if (`${B.shape}` !== `${[outputs, r]}`) complain('rowNorm', 'B', `[${outputs}, ${r}]`, `[${B.shape}]`)
  if (out.size !== outputs) complain('rowNorm', 'out', `[${outputs}]`, `[${out.shape}]`)
  const { device } = weight
  const { maxStorageBufferBindingSize: max, minStorageBufferOffsetAlignment: align } = device.limits
  const most = Math.floor((max - align) / (4 * Math.max(inputs, r)))
  if (most < 1) throw new GpuError(`rowNorm: one row of ${inputs * 4} bytes exceeds this device's binding of ${max} bytes`)
  for (let row = 0; row < outputs; row += most) {
    const rows = Math.min(most, outputs - row)
    const [w, b, o] = [weight.bindLoose(row * inputs, rows * inputs), B.bindLoose(row * r, rows * r), out.bindLoose(row, rows)]
    device.run({
      op: 'rowNorm',
      shader,
      constants: halves({ TW: weight }),
      bind: [o.binding, w.binding, A.bind(), b.binding],
      words: [inputs, r, f32(scaling), w.skip, b.skip, o.skip],
      groups: rows,
      flops: 2 * rows * inputs * (r + 1),
    })
  }
}
