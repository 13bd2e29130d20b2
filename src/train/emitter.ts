/** A list of listeners for each event of `Events`. */
export class Emitter<Events> {
  readonly #listeners = new Map<keyof Events, Set<(data: never) => void>>()

  /** Calls `listener` at each event; returns a function that ends it. */
  on<K extends keyof Events>(event: K, listener: (data: Events[K]) => void): () => void {
    const set = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, set.add(listener))
    return () => set.delete(listener)
  }

  protected emit<K extends keyof Events>(event: K, data: Events[K]): void {
    for (const listener of this.#listeners.get(event) ?? []) (listener as (data: Events[K]) => void)(data)
  }
}
