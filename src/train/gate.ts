/** Lets a run pass between two steps, unless it is closed. */
export class Gate {
  #opened: Promise<void> | null = null
  #open: () => void = () => {}

  get closed(): boolean {
    return this.#opened !== null
  }

  close(): void {
    this.#opened ??= new Promise((resolve) => {
      this.#open = resolve
    })
  }

  open(): void {
    this.#opened = null
    this.#open()
  }

  /** Resolves when it is open, or at once when the signal wants an end. */
  async passed(signal?: AbortSignal): Promise<void> {
    if (!this.#opened || signal?.aborted) return
    let stop = () => {}
    const aborted = new Promise<void>((resolve) => {
      stop = resolve
    })
    signal?.addEventListener('abort', stop)
    await Promise.race([this.#opened, aborted])
    signal?.removeEventListener('abort', stop)
  }
}
