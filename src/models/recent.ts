/** Keeps what was asked for last: so many values, of which the one that nobody asked for longest goes first. */
export class Recent<T> {
  readonly #values = new Map<string, T>()

  constructor(
    private readonly most: number,
    private readonly drop: (value: T) => void,
  ) {}

  /** The value of a key, made where there is none. One call at a time. */
  async get(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.#values.get(key)
    this.#values.delete(key)
    const value = known ?? (await make())
    this.#values.set(key, value) // the youngest comes last
    const [oldest] = this.#values.keys()
    if (this.#values.size > this.most) this.remove((each) => each === oldest)
    return value
  }

  remove(which: (key: string) => boolean = () => true): void {
    for (const [key, value] of [...this.#values]) {
      if (!which(key)) continue
      this.#values.delete(key)
      this.drop(value)
    }
  }
}
