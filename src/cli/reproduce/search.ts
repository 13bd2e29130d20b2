import { Random } from '../../ops/philox'

// Apart from the seeds of the runs that count.
export const searchSeed = 42

// Steps of the golden ratio spread any number of points evenly.
const golden = (Math.sqrt(5) - 1) / 2

/**
 * Learning rates to try, log-uniform in [low, high): the first is drawn, the others follow by the golden ratio, so that
 * few of them cover the range. More of them change none of the first.
 */
export function logUniform(trials: number, low: number, high: number, seed = searchSeed): number[] {
  const start = new Random(seed, 0x5ea).float()
  return Array.from({ length: trials }, (_, i) => Number((low * (high / low) ** ((start + i * golden) % 1)).toPrecision(6)))
}

/** What a trial came to on the validation rows. */
export interface Trial {
  learningRate: number
  /** null: the run could not go on, or the metric is not defined. */
  metric: number | null
  loss: number | null
}

/** The trial with the greatest metric, of equal ones the one with the least loss. @throws Error where all failed */
export function best(trials: readonly Trial[]): Trial {
  const finite = trials.filter(({ metric }) => metric !== null)
  if (!finite.length) throw new Error(`no learning rate of ${trials.map((t) => t.learningRate).join(', ')} came to a result`)
  return finite.reduce((a, b) => {
    const [more, less] = [Number(b.metric) - Number(a.metric), (b.loss ?? Infinity) - (a.loss ?? Infinity)]
    return more > 0 || (more === 0 && less < 0) ? b : a
  })
}
