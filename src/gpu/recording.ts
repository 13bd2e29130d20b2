import { type Command, type Launch, UniformBlock } from './commands'
import type { Device } from './device'
import { GpuError } from './errors'
import { type Memory, roundSize, type Storage } from './memory'

/** Buffers that the recordings of a device share: they run one after the other and keep nothing between replays. */
export class Arena {
  readonly buffers: GPUBuffer[] = []
  #users = 0
  constructor(private readonly memory: Memory) {}

  enter(): void {
    this.#users++
  }

  leave(): void {
    if (--this.#users > 0) return
    for (const buffer of this.buffers.splice(0)) this.memory.release(buffer)
  }

  add(size: number, op: string): GPUBuffer {
    const buffer = this.memory.allocate(size, op)
    this.buffers.push(buffer)
    return buffer
  }
}

/**
 * A list of dispatches that is run again and again. While it is made, storages are planned: a size, a first and a last
 * use. `finish` lays them into few real buffers, makes all pipelines, bind groups and uniforms; `replay` makes nothing.
 */
export class Recording {
  readonly commands: Command[] = []
  #launches: Launch[] = []
  #uniforms: GPUBuffer | null = null
  #kept: Storage[] = []
  #placed = new Map<Storage, { storage: Storage; offset: number }>()
  #inArena = false
  disposed = false

  constructor(
    readonly name: string,
    private readonly device: Device,
  ) {}

  add(command: Command): void {
    this.commands.push(command)
  }

  /** Lets `planned`, made in this recording, live at a place of pinned memory instead of in the arena. */
  place(planned: Storage, storage: Storage, offset: number): void {
    if (planned.buffer || this.#placed.has(planned)) throw new GpuError(`place: the tensor made by ${planned.madeBy} already has a place`)
    this.#placed.set(planned, { storage, offset })
  }

  /** True when `storage` was made in this recording and can still be placed. */
  canPlace(storage: Storage): boolean {
    return !storage.buffer && !this.#placed.has(storage)
  }

  async finish(keep: Storage[]): Promise<void> {
    for (const storage of keep)
      if (!storage.buffer && !this.#placed.has(storage)) {
        storage.buffer = this.device.memory.allocate(storage.size, storage.madeBy)
        this.#kept.push(storage)
      }
    this.#bindPlaced()
    this.device.arena.enter()
    this.#inArena = true
    plan(this.commands, this.device.arena)
    const block = new UniformBlock()
    const { gpu } = this.device
    gpu.pushErrorScope('validation')
    const made = await settled(
      this.device.prepare(this.commands, block, () => {
        this.#uniforms = gpu.createBuffer({ label: this.name, size: Math.max(256, block.bytes.byteLength), usage: 0x40 | 0x8 })
        return this.#uniforms
      }),
    )
    const invalid = await gpu.popErrorScope()
    if ('error' in made) throw made.error
    if (invalid) throw new GpuError(`${this.name}: ${invalid.message}`)
    this.#launches = made.value
    if (this.#uniforms) gpu.queue.writeBuffer(this.#uniforms, 0, block.bytes)
  }

  #bindPlaced(): void {
    for (const command of this.commands)
      command.bindings = command.bindings.map((b) => {
        const place = this.#placed.get(b.storage)
        return place ? { storage: place.storage, offset: place.offset + b.offset, size: b.size } : b
      })
  }

  /** Runs the list again; resolves when it is handed to the device, which may be before it is done. */
  async replay(): Promise<void> {
    if (this.disposed) throw new GpuError(`replay: the recording '${this.name}' was disposed`)
    await this.device.replay(this.#launches)
  }

  get launches(): number {
    return this.#launches.length
  }

  /** Frees what the recording holds, its kept results too. */
  dispose(): void {
    if (this.disposed) return
    this.disposed = true
    for (const storage of this.#kept) this.device.free(storage)
    this.#uniforms?.destroy()
    if (this.#inArena) this.device.arena.leave()
    this.#launches = []
  }
}

/** The outcome of `work`, without throwing: an error scope must be popped either way. */
const settled = <T>(work: Promise<T>): Promise<{ value: T } | { error: unknown }> =>
  work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )

/** Gives each planned storage a buffer from its first to its last use: best fit among the free ones of the arena. */
function plan(commands: Command[], arena: Arena): void {
  const last = new Map<Storage, number>()
  commands.forEach((c, i) => {
    for (const { storage } of c.bindings) if (!storage.buffer) last.set(storage, i)
  })
  const free = [...arena.buffers]
  const taken = new Map<Storage, GPUBuffer>()
  commands.forEach((c, i) => {
    for (const { storage } of c.bindings) {
      if (storage.buffer || taken.has(storage)) continue
      const size = roundSize(storage.size)
      let best = -1
      free.forEach((b, j) => {
        if (b.size >= size && b.size <= 2 * size && (best < 0 || b.size < free[best].size)) best = j
      })
      taken.set(storage, best >= 0 ? free.splice(best, 1)[0] : arena.add(storage.size, storage.madeBy))
    }
    for (const { storage } of c.bindings) {
      const buffer = taken.get(storage)
      if (!buffer || last.get(storage) !== i || free.includes(buffer)) continue
      free.push(buffer)
    }
  })
  for (const c of commands) for (const b of c.bindings) b.buffer = taken.get(b.storage)
}

/** Replays several recordings as one list. */
export async function replayAll(recordings: Recording[]): Promise<void> {
  for (const recording of recordings) await recording.replay()
}
