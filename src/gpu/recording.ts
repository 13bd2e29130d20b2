import type { Command, Launch } from './commands'
import type { Device } from './device'
import { GpuError } from './errors'
import type { Memory, Storage } from './memory'
import { plan } from './plan'

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

  /** Gives up buffers for which there was no memory: they count as there until the device says so. */
  dropInvalid(): void {
    const invalid = this.buffers.filter((buffer) => this.memory.isInvalid(buffer))
    for (const buffer of invalid) {
      this.buffers.splice(this.buffers.indexOf(buffer), 1)
      this.memory.release(buffer)
    }
  }

  add(size: number, op: string): void {
    this.buffers.push(this.memory.allocate(size, op))
  }
}

/** What a recording must give back, apart from it, so that a forgotten recording gives it back too. */
interface Holdings {
  device: Device
  uniforms: GPUBuffer | null
}

function release({ device, uniforms }: Holdings): void {
  device.arena.leave()
  // After the replays that were asked for: they may still wait their turn.
  if (uniforms) device.later(() => uniforms.destroy())
}

const forgotten = new FinalizationRegistry(release)

/**
 * A list of dispatches that is run again and again. While it is made, storages are planned: a size, a first and a last
 * use. `finish` lays them into few real buffers, makes all pipelines, bind groups and uniforms; `replay` makes nothing.
 */
export class Recording {
  readonly commands: Command[] = []
  #launches: Launch[] = []
  #holdings: Holdings | null = null
  #kept: Storage[] = []
  /** Memory from outside that the list uses, and what is read after it. */
  #pinned: Storage[] = []
  #placed = new Map<Storage, { storage: Storage; offset: number }>()
  disposed = false

  constructor(
    readonly name: string,
    readonly device: Device,
  ) {}

  /** Appends a command; `device.record` calls it for each op. */
  add(command: Command): void {
    this.commands.push(command)
  }

  /** Lets `planned`, made in this recording, live at a place (in bytes) of pinned memory instead of in the arena. */
  place(planned: Storage, storage: Storage, offset: number): void {
    if (!this.canPlace(planned)) throw new GpuError(`place: the tensor made by ${planned.madeBy} already has a place`)
    const align = this.device.limits.minStorageBufferOffsetAlignment
    if (offset % align || offset + planned.size > storage.size)
      throw new GpuError(
        `place: the tensor made by ${planned.madeBy} (${planned.size} bytes): wanted an offset that is a multiple of ${align} and a place inside ${storage.size} bytes, got offset ${offset}`,
      )
    this.#placed.set(planned, { storage, offset })
  }

  /** True when `storage` was made in this recording and can still be placed. */
  canPlace(storage: Storage): boolean {
    return storage.home === this && !storage.buffer && !this.#placed.has(storage)
  }

  /** Plans the memory and makes the commands ready; `device.record` calls it. `keep` outlives each replay. */
  async finish(keep: Storage[]): Promise<void> {
    this.#bindPlaced()
    this.#allocate(keep)
    this.#pinned = [...new Set(this.commands.flatMap((c) => c.bindings.map((b) => b.storage)))].filter((s) => s.buffer)
    const holdings = this.#holdings as Holdings
    this.#launches = await this.device.prepare(this.commands, (bytes) => {
      const { gpu } = this.device
      holdings.uniforms = gpu.createBuffer({ label: this.name, size: Math.max(256, bytes.byteLength), usage: 0x40 | 0x8 })
      gpu.queue.writeBuffer(holdings.uniforms, 0, bytes)
      return holdings.uniforms
    })
  }

  /** Plans, checks that all of it can be had, and only then allocates. */
  #allocate(keep: Storage[]): void {
    const { memory, arena } = this.device
    const kept = new Set(keep.filter((s) => !s.buffer && !this.#placed.has(s)))
    for (const { home, madeBy } of kept)
      if (home !== this) throw new GpuError(`record '${this.name}': the tensor made by ${madeBy} was not made in this recording`)
    const others = this.commands.map((c) => ({ ...c, bindings: c.bindings.filter((b) => !kept.has(b.storage)) }))
    const { places, added } = plan(
      others,
      arena.buffers.map((b) => b.size),
      (bytes) => memory.roundSize(bytes),
    )
    memory.require(`the recording '${this.name}'`, [...added.map((a) => a.size), ...[...kept].map((s) => s.size)])
    for (const storage of kept) {
      storage.buffer = memory.allocate(storage.size, storage.madeBy)
      memory.collect(storage) // lives as long as the recording or the tensor
      this.#kept.push(storage)
    }
    arena.enter()
    this.#holdings = { device: this.device, uniforms: null }
    forgotten.register(this, this.#holdings, this)
    for (const { size, op } of added) arena.add(size, op)
    for (const { bindings } of this.commands)
      for (const b of bindings) b.buffer = places.has(b.storage) ? arena.buffers[places.get(b.storage) as number] : undefined
  }

  #bindPlaced(): void {
    for (const command of this.commands)
      command.bindings = command.bindings.map((b) => {
        const place = this.#placed.get(b.storage)
        return place ? { storage: place.storage, offset: place.offset + b.offset, size: b.size } : b
      })
  }

  /** Runs the list again; resolves when it is handed to the device, which may be before it is done. */
  replay(): Promise<void> {
    return replayAll([this])
  }

  /** The list, after a check that all it uses is still there. */
  ready(): readonly Launch[] {
    if (this.disposed) throw new GpuError(`replay: the recording '${this.name}' was disposed`)
    const dead = this.#pinned.find((s) => s.dead)
    if (dead) throw new GpuError(`replay: '${this.name}' uses a tensor made by ${dead.madeBy} after its memory was given back`)
    return this.#launches
  }

  /** Dispatches of one replay. */
  get launches(): number {
    return this.#launches.length
  }

  /** Bytes of the largest buffer and the largest binding that the list asks for. */
  get largest(): { buffer: number; binding: number } {
    const bindings = this.commands.flatMap((c) => c.bindings)
    return {
      buffer: bindings.reduce((most, b) => Math.max(most, b.storage.size), 0),
      binding: bindings.reduce((most, b) => Math.max(most, b.size), 0),
    }
  }

  /** Frees what the recording holds, its kept results too. Harmless when called twice. */
  dispose(): void {
    if (this.disposed) return
    this.disposed = true
    for (const storage of this.#kept) this.device.free(storage)
    forgotten.unregister(this)
    if (this.#holdings) release(this.#holdings)
    this.#launches = []
  }

  /** For `using`: gives the memory back. */
  [Symbol.dispose](): void {
    this.dispose()
  }
}

/** Replays several recordings of one device as one list: in as few submits as the time budget asks for. */
export async function replayAll(recordings: readonly Recording[]): Promise<void> {
  if (!recordings.length) return
  const [{ device }] = recordings
  if (recordings.some((r) => r.device !== device)) throw new GpuError('replayAll: the recordings belong to different devices')
  const name = recordings.map((r) => r.name).join(' + ')
  await device.replay(
    recordings.flatMap((r) => r.ready()),
    name,
  )
}
