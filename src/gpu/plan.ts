import type { Command } from './commands'
import type { Storage } from './memory'

/** Where planned storages live: `places` are indices into the buffers that were there, then `added`. */
export interface Plan {
  places: Map<Storage, number>
  added: { size: number; op: string }[]
}

/**
 * Gives each planned storage a buffer from its first to its last use: the smallest free one that fits, unless it is more
 * than twice as large. Buffers that earlier recordings left may be of any size, where that makes fewer bytes to be added:
 * a list of smaller storages than theirs needs little or nothing more. Two storages in use at once never share: WebGPU
 * forbids one buffer read and written in a dispatch.
 */
export function plan(commands: readonly Command[], existing: readonly number[], roundSize: (bytes: number) => number): Plan {
  const close = lay(commands, existing, roundSize, 2)
  if (!close.added.length) return close
  const any = lay(commands, existing, roundSize, Number.POSITIVE_INFINITY)
  return bytesOf(any) < bytesOf(close) ? any : close
}

const bytesOf = ({ added }: Plan) => added.reduce((sum, { size }) => sum + size, 0)

/** `slack`: how many times larger than its storage a buffer of earlier recordings may be where none of twice the size is free. */
function lay(commands: readonly Command[], existing: readonly number[], roundSize: (bytes: number) => number, slack: number): Plan {
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
      let place = bestFit(sizes, free, size, 2 * size)
      if (place < 0) place = bestFit(existing, free, size, slack * size)
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

function bestFit(sizes: readonly number[], free: ReadonlySet<number>, size: number, most: number): number {
  let best = -1
  for (const i of free) if (sizes[i] >= size && sizes[i] <= most && (best < 0 || sizes[i] < sizes[best])) best = i
  return best
}
