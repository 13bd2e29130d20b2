import { type Case, kindOf } from './case'
import type { Outcome } from './measure'

/** How fast a participant multiplies here, from its products so far: it predicts how long a row's first call will take. */
export class Speed {
  readonly #rates: number[] = []

  learn({ flops, work }: Case, outcome: Outcome): void {
    if (outcome.status === 'ok' && kindOf(work) === 'matmul' && flops > 1e7) this.#rates.push(flops / (outcome.measured.ms / 1000))
  }

  /** Seconds. */
  predict({ flops }: Case): number {
    const sorted = [...this.#rates].sort((a, b) => a - b)
    return sorted.length ? flops / sorted[sorted.length >> 1] : 0
  }
}
