import type { Command } from './commands'
import type { Storage } from './memory'

/** Where planned storages live: `places` are indices into the buffers that were there, then `added`. */
export interface Plan {
  places: Map<Storage, number>
  added: { size: number; op: string }[]
}

/** From its first to its last command, both with it. */
interface Life {
  first: number
  last: number
}

/**
 * Gives each planned storage a buffer from its first to its last use: the largest storages choose first, and take the
 * smallest buffer that is large enough and free all that time. So small ones fill the times that large ones leave, and
 * a list of smaller storages than an earlier list's needs little or nothing more. Two storages in use at once never
 * share: WebGPU forbids one buffer read and written in a dispatch.
 */
export function plan(commands: readonly Command[], existing: readonly number[], roundSize: (bytes: number) => number): Plan {
  const lives = lifetimes(commands)
  const buffers = existing.map((size) => ({ size, taken: [] as Life[] }))
  const places = new Map<Storage, number>()
  const added: Plan['added'] = []
  const span = ({ first, last }: Life) => last - first
  for (const [storage, life] of [...lives].sort(([a, x], [b, y]) => b.size - a.size || span(y) - span(x))) {
    let place = -1
    buffers.forEach(({ size, taken }, i) => {
      if (size < storage.size || (place >= 0 && size >= buffers[place].size)) return
      if (taken.every(({ first, last }) => last < life.first || life.last < first)) place = i
    })
    if (place < 0) {
      const size = roundSize(storage.size)
      added.push({ size, op: storage.madeBy })
      place = buffers.push({ size, taken: [] }) - 1
    }
    buffers[place].taken.push(life)
    places.set(storage, place)
  }
  return { places, added }
}

function lifetimes(commands: readonly Command[]): Map<Storage, Life> {
  const lives = new Map<Storage, Life>()
  commands.forEach(({ bindings }, i) => {
    for (const { storage } of bindings) if (!storage.buffer) lives.set(storage, { first: lives.get(storage)?.first ?? i, last: i })
  })
  return lives
}
