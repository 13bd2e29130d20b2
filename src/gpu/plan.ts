import type { Command } from './commands'
import type { Storage } from './memory'

/** Where planned storages live: `places` are indices into the buffers that were there, then `added`. */
export interface Plan {
  places: Map<Storage, number>
  added: { size: number; op: string }[]
}

/**
 * Gives each planned storage a buffer from its first to its last use: the smallest free one that fits, unless it is more
 * than twice as large. Two storages in use at once never share: WebGPU forbids one buffer read and written in a dispatch.
 */
export function plan(commands: readonly Command[], existing: readonly number[], roundSize: (bytes: number) => number): Plan {
  const last = new Map<Storage, number>()
  commands.forEach(({ bindings }, i) => {
    for (const { storage } of bindings) if (!storage.buffer) last.set(storage, i)
  })
  const sizes = [...existing]
  const free = new Set(sizes.keys())
  const places = new Map<Storage, number>()
  const added: Plan['added'] = []
  commands.forEach(({ bindings }, i) => {
    for (const { storage } of bindings) {
      if (storage.buffer || places.has(storage)) continue
      const size = roundSize(storage.size)
      let place = bestFit(sizes, free, size)
      if (place < 0) {
        place = sizes.push(size) - 1
        added.push({ size, op: storage.madeBy })
      }
      free.delete(place)
      places.set(storage, place)
    }
    for (const { storage } of bindings) if (last.get(storage) === i) free.add(places.get(storage) as number)
  })
  return { places, added }
}

function bestFit(sizes: readonly number[], free: ReadonlySet<number>, size: number): number {
  let best = -1
  for (const i of free) if (sizes[i] >= size && sizes[i] <= 2 * size && (best < 0 || sizes[i] < sizes[best])) best = i
  return best
}
