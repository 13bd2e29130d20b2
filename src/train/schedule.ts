import type { ResolvedArguments } from './arguments'

/** Number of warm-up steps among `total`. */
export function warmupStepsOf({ warmupSteps, warmupRatio }: ResolvedArguments, total: number): number {
  return warmupSteps ?? Math.ceil(warmupRatio * total)
}

/**
 * transformers' factor on the learning rate for step `step` (from 0) of `total`: rises as step / warmup, so the first of a
 * warm-up is 0; then falls to 0 in a line or half a cosine, or stays.
 */
export function scheduleFactor(type: ResolvedArguments['lrSchedulerType'], step: number, warmup: number, total: number): number {
  if (type === 'constant') return 1
  if (step < warmup) return step / Math.max(1, warmup)
  if (type === 'constant_with_warmup') return 1
  const progress = (step - warmup) / Math.max(1, total - warmup)
  return Math.max(0, type === 'linear' ? 1 - progress : 0.5 * (1 + Math.cos(Math.PI * progress)))
}
