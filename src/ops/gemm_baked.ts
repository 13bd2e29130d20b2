// Loaded with the tuner: no rule takes it unmeasured.
import { type Job, kernels, runBlocks } from './gemm_kernels'

/**
 * Whether a variant whose k and n are constants may be worth a kernel of its own: a large product of a layer's weight. Where they
 * hang on the batch every length would compile one.
 */
export const isBakable = ({ a, batches, flops }: Job) => !a.transposed && batches === 1 && flops >= 1e9

// `baked-blocks-16`
kernels.baked = (device, job, _, __, variant) => {
  runBlocks(device, job, Number.parseInt(variant.slice(variant.lastIndexOf('-') + 1), 10), { K: job.k, N: job.n })
}
