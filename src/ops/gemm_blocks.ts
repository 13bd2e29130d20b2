// Forms of `matmul_blocks.wgsl` that no rule takes unmeasured: loaded with the tuner.
import { type Job, kernels, runBlocks, vectorForm } from './gemm_kernels'

/**
 * Whether a variant whose k and n are constants may be worth a kernel of its own: a large product of a layer's weight. Where they
 * hang on the batch every length would compile one.
 */
export const isBakable = ({ a, batches, flops }: Job) => !a.transposed && batches === 1 && flops >= 1e9

/** Whether reading the next step while one is multiplied may be worth it: there must be several. */
export const mayReadAhead = (job: Job) => vectorForm(job) !== null && job.k >= 64

const ahead = { HALVES: 2 }

// `ahead-16`
kernels.ahead = (device, job, side) => runBlocks(device, job, side, ahead)

// `baked-blocks-16`, `baked-ahead-16`
kernels.baked = (device, job, _, __, variant) => {
  const [, kernel, side] = variant.split('-')
  runBlocks(device, job, Number(side), { K: job.k, N: job.n, ...(kernel === 'ahead' && ahead) })
}
