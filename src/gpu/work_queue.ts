import { asError, DeviceLostError, GpuError } from './errors'

// An implementation may reject a call before it says that the device is gone: wait this long for the reason (ms).
const lossDelay = 50

/**
 * The device's work in the program's order, and what went wrong with it. Jobs run one after the other; nothing waits
 * for a device that is gone; an error that no call can reject with is kept for the next one that looks (`settle`).
 */
export class WorkQueue {
  /** Resolves when the device is gone, for whatever reason. */
  readonly lost: Promise<DeviceLostError>
  #tail: Promise<unknown> = Promise.resolve()
  readonly #waiting = new Set<(error: DeviceLostError) => void>()
  readonly #checks = new Set<Promise<void>>()
  #failure: Error | null = null
  #gone: DeviceLostError | null = null
  #tellLost: (error: DeviceLostError) => void = () => {}

  constructor(
    private readonly gpu: GPUDevice,
    private readonly onError: ((error: Error) => void) | undefined,
  ) {
    this.lost = new Promise((resolve) => {
      this.#tellLost = resolve
    })
    gpu.onuncapturederror = ({ error }) => this.fail(new GpuError(error.message))
    gpu.lost.then(({ reason, message }) => {
      const why = `the device was lost (${reason || 'unknown'}): ${message}`
      this.close(new DeviceLostError(`${why} Open a new device and go on from the last checkpoint.`), true)
    })
  }

  /** Runs `job` after all jobs before it. Rejects at once when the device is lost. */
  add<T>(job: () => T | Promise<T>): Promise<T> {
    const result = this.#tail.then(() => {
      this.assertAlive()
      return this.orLost(Promise.resolve(job()))
    })
    this.#tail = result.catch(() => {})
    return result
  }

  /** Like `add`, where nobody waits: an error shows at the next `settle`. */
  later(job: () => void | Promise<void>): void {
    this.add(job).catch((thrown) => this.fail(asError(thrown)))
  }

  /** `work`, or a rejection as soon as the device is lost: WebGPU calls may hang then. */
  orLost<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#gone) reject(this.#gone)
      else this.#waiting.add(reject)
      work.then(resolve, async (thrown) => reject(await this.#reason(thrown))).finally(() => this.#waiting.delete(reject))
    })
  }

  /** Runs `body`, which must not wait, in an error scope; what the scope caught becomes a failure. */
  watch<T>(filter: GPUErrorFilter, body: () => T, explain: (message: string) => Error): T {
    this.gpu.pushErrorScope(filter)
    try {
      return body()
    } finally {
      const check: Promise<void> = this.gpu
        .popErrorScope()
        .then(
          (error) => {
            if (error) this.fail(explain(error.message))
          },
          async (thrown) => this.fail(await this.#reason(thrown)),
        )
        .finally(() => this.#checks.delete(check))
      this.#checks.add(check)
    }
  }

  /** Keeps the first error for the next `settle`; tells `onError` of each. */
  fail(error: Error): void {
    if (this.#gone) return // what fails on a lost device is not news
    this.#failure ??= error
    this.onError?.(error)
  }

  /** Waits for the error scopes; throws the first error since the last call. */
  async settle(): Promise<void> {
    await this.orLost(Promise.all(this.#checks))
    this.throwFailure()
  }

  throwFailure(): void {
    this.assertAlive()
    const failure = this.#failure
    this.#failure = null
    if (failure) throw failure
  }

  assertAlive(): void {
    if (this.#gone) throw this.#gone
  }

  /** From now on everything rejects with `error`. */
  close(error: DeviceLostError, report: boolean): void {
    if (this.#gone) return
    if (report) this.onError?.(error)
    this.#gone = error
    for (const reject of this.#waiting) reject(error)
    this.#waiting.clear()
    this.#tellLost(error)
  }

  async #reason(thrown: unknown): Promise<Error> {
    if (thrown instanceof GpuError) return thrown
    await Promise.race([this.lost, new Promise((resolve) => setTimeout(resolve, lossDelay))])
    return this.#gone ?? asError(thrown)
  }
}
