import type { PlannedRun } from './plan'

// A backward pass takes about as long as two forward ones.
const work = ({ trained, evaluated }: PlannedRun['cost']) => 3 * trained + evaluated

/** How long runs take, from those that are done: of the same task and method where there is one, else of all. */
export class Clock {
  readonly #done: { run: PlannedRun; seconds: number }[] = []

  add(run: PlannedRun, seconds: number): void {
    this.#done.push({ run, seconds })
  }

  /** Seconds for these runs; undefined as long as none is done. */
  left(runs: readonly PlannedRun[]): number | undefined {
    if (!this.#done.length) return
    return runs.reduce((sum, run) => sum + work(run.cost) * this.#pace(run), 0)
  }

  #pace({ recipe, method }: PlannedRun): number {
    const like = this.#done.filter(({ run }) => run.recipe === recipe && run.method === method)
    const known = like.length ? like : this.#done
    return known.reduce((sum, each) => sum + each.seconds, 0) / known.reduce((sum, each) => sum + work(each.run.cost), 0)
  }
}
