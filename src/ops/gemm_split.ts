// Loaded with the tuner: no rule takes it unmeasured.
import shader from '../../shaders/matmul_sum.wgsl'
import { f32 } from '../gpu'
import { halves, Tensor } from '../graph'
import { type Job, jobOf, kernels, runVariant } from './gemm_kernels'
import type { Part } from './gemm_operands'

/** The parts take one of the two levels of batches, and their sums fit a binding. */
export function canSplit({ m, n, k, batch0, batch1, batches, c }: Job, parts: number): boolean {
  const bytes = 4 * partsOf(k, parts).slots * batches * m * n
  return parts > 1 && (batch0 === 1 || batch1 === 1) && bytes <= c.tensor.device.limits.maxStorageBufferBindingSize
}

/** Length of all parts but the last, which may be shorter, and how many there are: whole steps of every kernel. */
export function partsOf(k: number, parts: number): { length: number; whole: number; rest: number; slots: number } {
  const length = Math.ceil(k / parts / 16) * 16
  const whole = Math.floor(k / length)
  const rest = k - whole * length
  return { length, whole, rest, slots: whole + (rest ? 1 : 0) }
}

/**
 * A product whose k is cut into parts, for few tiles and a long k: each part writes its sums to a slot of its own, and a second pass
 * adds the slots in their order, so that a run gives the same bits twice. `run` computes a product without epilogue.
 */
function runSplit(job: Job, parts: number, run: (part: Part) => void): void {
  const { op, m, n, k, a, b, c, batch1, batches, skip, alpha, epilogue, bind } = job
  const { device } = c.tensor
  const { length, whole, rest, slots } = partsOf(k, parts)
  const count = batches * m * n
  const partial = Tensor.empty(device, [slots, count], op)
  const stepA = a.transposed ? a.rowStride : 1
  const stepB = b.transposed ? 1 : b.rowStride
  const bare: Part = { ...job, alpha: 1, accumulate: false, bias: null, after: null }
  const to = { tensor: partial, rowStride: n, stride0: batch1 * m * n, stride1: m * n }
  const [size, stride] = batch1 === 1 ? (['batch1', 'stride1'] as const) : (['batch0', 'stride0'] as const)
  run({
    ...bare,
    k: length,
    [size]: whole,
    a: { ...a, [stride]: length * stepA },
    b: { ...b, [stride]: length * stepB },
    c: { ...to, [stride]: count },
  })
  if (rest)
    run({
      ...bare,
      k: rest,
      a: { ...a, offset: (a.offset ?? 0) + whole * length * stepA },
      b: { ...b, offset: (b.offset ?? 0) + whole * length * stepB },
      c: { ...to, offset: whole * count },
    })
  device.run({
    op,
    shader,
    constants: halves({ TC: c.tensor }),
    bind: [bind[0], partial.bind(), bind[3]],
    words: [m, n, slots, count, skip.c, c.rowStride, c.stride0 ?? 0, c.stride1 ?? 0, batch1, f32(alpha), skip.bias, epilogue],
    groups: Math.ceil(count / 64),
    flops: slots * count,
    bytes: (4 * slots + c.tensor.width) * count,
  })
  // Of a recording the memory is planned.
  if (!device.recording) partial.dispose()
}

// `split-4×blocks-8`: in four parts, each by `blocks-8`.
kernels.split = (_, job, parts, __, variant) =>
  runSplit(job, parts, (part) => runVariant(jobOf(part), variant.slice(variant.indexOf('×') + 1)))
