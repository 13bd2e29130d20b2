import { Random } from '../ops/philox'
import type { Example } from './examples'

// transformers' LengthGroupedSampler: rows are sorted within so many batches.
const batchesSorted = 50

/**
 * An epoch's order with rows of like length in one step, so that less is padding: every fifty steps' worth of `order` is sorted by
 * length and cut into steps, which then come in an order of their own.
 */
export function groupByLength(order: Uint32Array, examples: Example[], perStep: number, seed: number, epoch: number): Uint32Array {
  const random = new Random(seed, 0x20000 + epoch)
  const out: number[] = []
  for (let at = 0; at < order.length; at += batchesSorted * perStep) {
    const rows = Array.from(order.subarray(at, at + batchesSorted * perStep))
    rows.sort((a, b) => examples[b].encoding.ids.length - examples[a].encoding.ids.length)
    const steps = Array.from({ length: Math.ceil(rows.length / perStep) }, (_, i) => rows.slice(i * perStep, (i + 1) * perStep))
    // The shorter step, where there is one, stays the last.
    const whole = steps.filter((step) => step.length === perStep)
    out.push(...[...random.shuffle(whole), ...steps.slice(whole.length)].flat())
  }
  return Uint32Array.from(out)
}
