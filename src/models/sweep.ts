/** Rows on their way through a model without training. */
export interface Sweep {
  /** Tokens of each row. */
  lengths: readonly number[]
  batchSize: number
  /** Hands the rows of these places to the device; `data` are their numbers, row after row. */
  run: (places: number[]) => Promise<{ data: Promise<Float32Array> }>
  /** Gets each row's numbers. */
  use: (place: number, row: Float32Array) => void
  progress?: (done: number) => void
  /** Ends it after the batch at hand. */
  signal?: AbortSignal
}

/** Runs rows in batches of like length, longest first; two are in flight. */
export async function sweep({ lengths, batchSize, run, use, progress, signal }: Sweep): Promise<void> {
  const order = Array.from(lengths.keys()).sort((a, b) => lengths[b] - lengths[a] || a - b)
  let waiting: Promise<void> = Promise.resolve()
  let done = 0
  for (let at = 0; at < order.length; at += batchSize) {
    const places = order.slice(at, at + batchSize)
    const { data } = await run(places)
    const earlier = waiting
    waiting = data.then((all) => {
      const width = all.length / places.length
      places.forEach((place, i) => use(place, all.slice(i * width, (i + 1) * width)))
      done += places.length
      progress?.(done)
    })
    waiting.catch(() => {}) // awaited below, or in the next turn
    await earlier
    signal?.throwIfAborted()
  }
  await waiting
}
