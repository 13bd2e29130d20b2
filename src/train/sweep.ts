import type { EncoderConfig } from '../models/config'
import { byLength, type Example, hostBatch } from './examples'
import type { TrainingProgram } from './program'

export interface Sweep {
  kind: 'logits' | 'features'
  examples: Example[]
  batchSize: number
  maxLength: number
  padTokenId: number | undefined
  config: EncoderConfig
  /** Gets each example's row of numbers. */
  use: (place: number, row: Float32Array) => void
  progress: (done: number) => void
  /** Ends it after the batch at hand. */
  signal?: AbortSignal
}

/** Runs examples through the model without training, in batches of like length; two are in flight. */
export async function sweep(program: TrainingProgram, s: Sweep): Promise<void> {
  let waiting: Promise<void> = Promise.resolve()
  let done = 0
  for (const { places, rows } of byLength(s.examples, s.batchSize)) {
    const { data } = await program.look(s.kind, hostBatch(rows, s.config, s.padTokenId, s.maxLength))
    const earlier = waiting
    waiting = data.then((all) => {
      const width = all.length / rows.length
      places.forEach((place, i) => s.use(place, all.slice(i * width, (i + 1) * width)))
      done += rows.length
      s.progress(done)
    })
    waiting.catch(() => {}) // awaited below, or in the next turn
    await earlier
    s.signal?.throwIfAborted()
  }
  await waiting
}
