import type { Launch } from './commands'

/** How a device's time is estimated: rates are first guesses, `scale` is corrected by what submits really took. */
export interface Rates {
  flops: number
  bytes: number
  /** Seconds of one dispatch that does nothing. */
  dispatch: number
}

export const realGpu: Rates = { flops: 5e11, bytes: 5e10, dispatch: 1e-5 }
export const softwareGpu: Rates = { flops: 1.5e9, bytes: 1e9, dispatch: 2e-5 }

/**
 * Keeps each submit under a time budget and at most two in flight, so that no driver's watchdog (Windows: 2 s) fires
 * and a page stays responsive. Estimates follow the device: measured time corrects the scale.
 */
export class Pacer {
  #scale = 1
  #inFlight: Promise<void>[] = []
  submits = 0

  constructor(
    private readonly device: GPUDevice,
    private readonly rates: Rates,
    /** Seconds a submit may keep the device busy. */
    readonly budget: number,
  ) {}

  /** Estimated seconds. */
  estimate(cost: { flops: number; bytes: number }): number {
    const { flops, bytes, dispatch } = this.rates
    return this.#scale * (Math.max(cost.flops / flops, cost.bytes / bytes) + dispatch)
  }

  /** Into how many ranges of workgroups a dispatch is cut so that each fits the budget. */
  pieces(cost: { flops: number; bytes: number }, groups: number): number {
    return Math.max(1, Math.min(groups, Math.ceil(this.estimate(cost) / this.budget)))
  }

  /** Submits the launches in order, in as many submits as the budget asks for; waits while two are in flight. */
  async submit(launches: Launch[]): Promise<void> {
    let at = 0
    while (at < launches.length) {
      let end = at
      let seconds = 0
      for (; end < launches.length; end++) {
        const next = this.estimate(launches[end].cost)
        if (end > at && seconds + next > this.budget) break
        seconds += next
      }
      if (this.#inFlight.length >= 2) await this.#inFlight[0]
      this.#encode(launches.slice(at, end), seconds)
      at = end
    }
  }

  /** Resolves when all submitted work is done. */
  async drain(): Promise<void> {
    await Promise.all(this.#inFlight)
    await this.device.queue.onSubmittedWorkDone()
  }

  #encode(launches: Launch[], seconds: number): void {
    const encoder = this.device.createCommandEncoder()
    const pass = encoder.beginComputePass()
    for (const { pipeline, group, uniformOffset, grid } of launches) {
      pass.setPipeline(pipeline)
      pass.setBindGroup(0, group, [uniformOffset])
      pass.dispatchWorkgroups(...grid)
    }
    pass.end()
    this.device.queue.submit([encoder.finish()])
    this.submits++
    this.#watch(seconds)
  }

  #watch(seconds: number): void {
    const previous = this.#inFlight.at(-1)
    const submitted = performance.now()
    let begun = submitted
    previous?.then(() => (begun = performance.now()))
    const done = this.device.queue.onSubmittedWorkDone().then(() => {
      this.#inFlight = this.#inFlight.filter((other) => other !== done)
      const took = (performance.now() - begun) / 1000
      // Short submits measure latency, not throughput.
      if (took > 0.005) this.#scale *= Math.min(4, Math.max(0.25, took / seconds)) ** 0.3
    })
    done.catch(() => {})
    this.#inFlight.push(done)
  }
}
