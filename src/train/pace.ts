/** Time spent training and examples seen in it; evaluations and checkpoints are taken out. */
export class Pace {
  #start = performance.now()
  #examples = 0
  #log = { at: this.#start, examples: 0, step: 0 }

  constructor(step: number) {
    this.#log.step = step
  }

  count(examples: number): void {
    this.#examples += examples
  }

  /** Leaves out milliseconds that were not spent training. */
  skip(ms: number): void {
    this.#start += ms
    this.#log.at += ms
  }

  /** Since the last lap. */
  lap(step: number): { stepsPerSecond: number; samplesPerSecond: number } {
    const now = performance.now()
    const seconds = (now - this.#log.at) / 1000
    const rates = { stepsPerSecond: (step - this.#log.step) / seconds, samplesPerSecond: (this.#examples - this.#log.examples) / seconds }
    this.#log = { at: now, examples: this.#examples, step }
    return rates
  }

  /** In all. */
  total(): { seconds: number; samplesPerSecond: number } {
    const seconds = (performance.now() - this.#start) / 1000
    return { seconds, samplesPerSecond: this.#examples / seconds }
  }
}
