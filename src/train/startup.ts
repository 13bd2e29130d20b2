// A piece of its own in a page.
import type { Device } from '../gpu'
import type { FirstStepEvent, ProgressEvent } from './trainer_types'

/** Milliseconds in which any pipeline was in the compiler; kernels that were checked, and the milliseconds of that. */
type Counters = number[]

/** Follows a run's start on a device: tells how compiling goes, and what was spent until the first step. */
export class Startup {
  readonly #begun = performance.now()
  readonly #present: number
  readonly #heard: () => void
  #open: number
  #since = this.#begun
  #compileMs = 0
  /** Where the counters would stand if nothing had been spent on this start. */
  #zero: Counters
  #tuneMs = 0

  constructor(
    private readonly device: Device,
    progress: (event: ProgressEvent) => void,
  ) {
    const { kernels } = device
    this.#present = kernels.all.length
    this.#open = kernels.open
    this.#zero = this.#counters()
    const before = kernels.compiled - kernels.open
    this.#heard = () => {
      const came = kernels.open < this.#open
      this.#count()
      this.#open = kernels.open
      const total = kernels.compiled - before
      if (came) progress({ task: 'compile', done: total - kernels.open, total })
    }
    kernels.heard = this.#heard
  }

  /** Does what tunes: all that it compiles and checks counts as tuning. */
  async tuning<T>(work: () => Promise<T>): Promise<T> {
    const [begun, before] = [performance.now(), this.#counters()]
    try {
      return await work()
    } finally {
      this.#tuneMs += performance.now() - begun
      const after = this.#counters()
      this.#zero = this.#zero.map((zero, i) => zero + after[i] - before[i])
    }
  }

  /** What was spent so far; from now on nothing is told. */
  end(): FirstStepEvent {
    const { kernels } = this.device
    if (kernels.heard === this.#heard) kernels.heard = null
    const [compileMs, selfTested, selfTestMs] = this.#counters().map((now, i) => now - this.#zero[i])
    return {
      seconds: (performance.now() - this.#begun) / 1000,
      // Not those that the tuner tried and gave up.
      pipelines: kernels.all.length - this.#present,
      compileSeconds: compileMs / 1000,
      selfTested,
      selfTestSeconds: selfTestMs / 1000,
      tuneSeconds: this.#tuneMs / 1000,
    }
  }

  #count(): void {
    const now = performance.now()
    if (this.#open) this.#compileMs += now - this.#since
    this.#since = now
  }

  #counters(): Counters {
    this.#count()
    const { kernels, ms } = this.device.selfTest
    return [this.#compileMs, kernels, ms]
  }
}
