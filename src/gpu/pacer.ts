import { dispatch, type Launch } from './commands'
import { GpuError } from './errors'
import type { WorkQueue } from './work_queue'

/** How a device's time is estimated: rates are first guesses, `scale` is corrected by what submits really took. */
export interface Rates {
  flops: number
  bytes: number
  /** Seconds of one dispatch that does nothing. */
  dispatch: number
}

export interface Cost {
  flops: number
  bytes: number
}

export const realGpu: Rates = { flops: 5e11, bytes: 5e10, dispatch: 1e-5 }
export const softwareGpu: Rates = { flops: 1.5e9, bytes: 1e9, dispatch: 2e-5 }

/** Encodes a submit's launches so that each is timed; the function that it gives back is called when they are submitted. */
export type Timer = (encoder: GPUCommandEncoder, launches: readonly Launch[], name: string, put: typeof dispatch) => () => void

/**
 * Keeps each submit under a time budget and at most two in flight, so that no driver's watchdog (Windows: 2 s) fires
 * and a page stays responsive. Estimates follow the device: measured time corrects the scale.
 */
export class Pacer {
  /** Measured time / estimate by the rates, smoothed. */
  scale = 1
  submits = 0
  mostInFlight = 0
  /** Of a profiler at work. */
  timer: Timer | null = null
  #inFlight: Promise<void>[] = []

  constructor(
    private readonly device: GPUDevice,
    private readonly rates: Rates,
    /** Seconds a submit may keep the device busy. */
    readonly budget: number,
    private readonly work: WorkQueue,
  ) {}

  /** Estimated seconds of a dispatch. */
  estimate(cost: Cost): number {
    return this.#busy(cost) + this.scale * this.rates.dispatch
  }

  /** Into how many ranges of workgroups a dispatch is cut so that each fits the budget. */
  pieces(cost: Cost, groups: number): number {
    return Math.max(1, Math.min(groups, Math.ceil(this.#busy(cost) / this.budget)))
  }

  /** Submits the launches in order, in as few submits as the budget allows; waits while two are in flight. */
  async submit(launches: readonly Launch[], name: string): Promise<void> {
    let at = 0
    while (at < launches.length) {
      if (this.#inFlight.length >= 2) await this.#inFlight[0]
      let end = at
      let seconds = 0
      for (; end < launches.length; end++) {
        const next = this.estimate(launches[end].cost)
        if (end > at && seconds + next > this.budget) break
        seconds += next
      }
      this.#encode(launches, at, end, name)
      this.#follow(seconds)
      at = end
    }
  }

  /** Resolves when all submitted work is done. */
  async drain(): Promise<void> {
    await Promise.all(this.#inFlight)
    await this.device.queue.onSubmittedWorkDone()
  }

  /**
   * Corrects the scale by a submit. What was short by estimate and by the clock says nothing: it measures latency, and
   * the clock may have waited for a busy event loop.
   */
  learn(estimated: number, took: number): void {
    if (estimated < this.budget / 20 && took < this.budget / 2) return
    const ratio = Math.min(4, Math.max(0.25, took / estimated))
    this.scale = Math.min(1e3, Math.max(1e-3, this.scale * ratio ** 0.3))
  }

  #busy({ flops, bytes }: Cost): number {
    return this.scale * Math.max(flops / this.rates.flops, bytes / this.rates.bytes)
  }

  #encode(launches: readonly Launch[], start: number, end: number, name: string): void {
    const submit = () => {
      const encoder = this.device.createCommandEncoder({ label: name })
      const some = launches.slice(start, end)
      const submitted = this.timer?.(encoder, some, name, dispatch)
      if (!submitted) {
        const pass = encoder.beginComputePass()
        for (const launch of some) dispatch(pass, launch)
        pass.end()
      }
      this.device.queue.submit([encoder.finish()])
      submitted?.()
    }
    this.work.watch('validation', submit, (message) => new GpuError(`${name}: ${message}`))
    this.submits++
  }

  /** Notes when the submit just made is done. */
  #follow(seconds: number): void {
    let begun = performance.now()
    this.#inFlight.at(-1)?.then(() => (begun = performance.now()))
    const end = (measured: boolean) => {
      this.#inFlight = this.#inFlight.filter((other) => other !== done)
      if (measured) this.learn(seconds, (performance.now() - begun) / 1000)
    }
    // Never rejects: a lost device is told elsewhere.
    const done: Promise<void> = this.device.queue.onSubmittedWorkDone().then(
      () => end(true),
      () => end(false),
    )
    this.#inFlight.push(done)
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight.length)
  }
}
