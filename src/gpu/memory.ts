import { OutOfMemoryError } from './errors'
import type { WorkQueue } from './work_queue'

/**
 * A piece of GPU memory: real (has a buffer), planned (its recording will give it one) or dead.
 * `madeBy` names the op that made it, for messages.
 */
export class Storage {
  buffer: GPUBuffer | null = null
  dead = false
  constructor(
    readonly size: number,
    readonly madeBy: string,
    /** The recording that plans it; null: real from the start. */
    readonly home: { readonly name: string } | null = null,
  ) {}
}

/** What a device holds now. */
export interface MemoryStats {
  /** Bytes and buffers in use now (weights, live tensors, arenas of recordings). */
  liveBytes: number
  liveBuffers: number
  peakBytes: number
  /** Bytes of freed buffers kept for reuse. */
  pooledBytes: number
}

const usage = 0x80 | 0x4 | 0x8 // STORAGE | COPY_SRC | COPY_DST
const poolLimit = 256 << 20

/** Sizes are rounded up to an eighth of a power of two, so that freed buffers fit again. */
export function roundSize(bytes: number): number {
  const step = Math.max(256, 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, bytes))) - 3))
  return Math.ceil(Math.max(bytes, 4) / step) * step
}

// When this much was allocated since the last hint, the collector is told: GPU bytes are invisible to it.
const garbageBudget = 64 << 20

/** Makes, counts and recycles storage buffers. Freed ones are pooled by size. */
export class Memory {
  readonly #pool = new Map<number, GPUBuffer[]>()
  readonly stats: MemoryStats = { liveBytes: 0, liveBuffers: 0, peakBytes: 0, pooledBytes: 0 }
  readonly #collector = new FinalizationRegistry<GPUBuffer>((buffer) => this.release(buffer))
  readonly #invalid = new WeakSet<GPUBuffer>()
  readonly #largest: number
  #sinceHint = 0
  #hinted = false
  /** What to try when memory runs out, for the error and its message: e.g. `try perDeviceTrainBatchSize 8`. */
  forecast: { advice: string; batchSize?: number } = { advice: 'use a smaller batch or a shorter maxLength' }

  constructor(
    private readonly device: GPUDevice,
    /** Bytes that may live at once, as the opener asked. */
    readonly limit: number,
    maxBufferSize: number,
    private readonly work: WorkQueue,
    private readonly later: (job: () => void) => void,
  ) {
    this.#largest = Math.floor(maxBufferSize / 4) * 4
  }

  /** The size of the buffer that `bytes` get. */
  roundSize(bytes: number): number {
    return Math.max(bytes, Math.min(roundSize(bytes), this.#largest))
  }

  /** A buffer of at least `bytes`; `op` is named in errors. */
  allocate(bytes: number, op: string): GPUBuffer {
    const size = this.roundSize(bytes)
    const pooled = this.#pool.get(size)?.pop()
    const { stats } = this
    if (pooled) stats.pooledBytes -= size
    else this.require(op, [size])
    const buffer = pooled ?? this.#create(size, op)
    stats.liveBytes += size
    stats.liveBuffers++
    stats.peakBytes = Math.max(stats.peakBytes, stats.liveBytes)
    return buffer
  }

  /** Throws when buffers of these sizes cannot all be had, before any of them is made. */
  require(what: string, sizes: readonly number[]): void {
    const large = sizes.find((size) => size > this.#largest)
    if (large) throw this.#outOfMemory(what, large, `one buffer of it exceeds this device's maxBufferSize of ${this.#largest}`)
    const bytes = sizes.reduce((sum, size) => sum + this.roundSize(size), 0)
    if (this.stats.liveBytes + this.stats.pooledBytes + bytes > this.limit) this.trim()
    if (this.stats.liveBytes + bytes > this.limit) throw this.#outOfMemory(what, bytes, `memoryLimit is ${this.limit} bytes`)
  }

  /** Takes a buffer back. It is reused by later work, which the queue orders after all earlier work. */
  release(buffer: GPUBuffer): void {
    const { stats } = this
    stats.liveBytes -= buffer.size
    stats.liveBuffers--
    if (this.#invalid.has(buffer)) return
    if (stats.pooledBytes + buffer.size > Math.min(poolLimit, this.limit / 4)) {
      this.later(() => buffer.destroy())
      return
    }
    stats.pooledBytes += buffer.size
    const shelf = this.#pool.get(buffer.size)
    if (shelf) shelf.push(buffer)
    else this.#pool.set(buffer.size, [buffer])
  }

  /** Lets the garbage collector give the storage's buffer back when nobody holds the storage any more. */
  collect(storage: Storage): void {
    if (storage.buffer) this.#collector.register(storage, storage.buffer, storage)
    this.#sinceHint += storage.size
    if (this.#sinceHint < garbageBudget) return
    this.#sinceHint = 0
    this.#hinted = true
  }

  /** Stops watching a storage that was freed by hand. */
  forget(storage: Storage): void {
    this.#collector.unregister(storage)
  }

  /** After many allocations: presses the collector and gives finalizers a turn of the event loop. */
  async settle(): Promise<void> {
    if (!this.#hinted) return
    this.#hinted = false
    pressCollector()
    await new Promise((resolve) => setTimeout(resolve, 0))
  }

  /** Destroys all pooled buffers. */
  trim(): void {
    const unused = [...this.#pool.values()].flat()
    this.#pool.clear()
    this.stats.pooledBytes = 0
    if (unused.length)
      this.later(() => {
        for (const buffer of unused) buffer.destroy()
      })
  }

  #create(size: number, op: string): GPUBuffer {
    let buffer: GPUBuffer | undefined
    return this.work.watch(
      'out-of-memory',
      () => (buffer = this.device.createBuffer({ label: op, size, usage })),
      (message) => {
        if (buffer) this.#discard(buffer)
        return this.#outOfMemory(op, size, message.split('\n')[0])
      },
    )
  }

  /** Whether the device had no memory for this buffer. */
  isInvalid(buffer: GPUBuffer): boolean {
    return this.#invalid.has(buffer)
  }

  /** Keeps a buffer that has no memory out of the pool. */
  #discard(buffer: GPUBuffer): void {
    this.#invalid.add(buffer)
    const shelf = this.#pool.get(buffer.size)
    const at = shelf?.indexOf(buffer) ?? -1
    if (at < 0) return
    shelf?.splice(at, 1)
    this.stats.pooledBytes -= buffer.size
  }

  #outOfMemory(what: string, bytes: number, why: string): OutOfMemoryError {
    const { liveBytes, liveBuffers } = this.stats
    const { advice, batchSize } = this.forecast
    return new OutOfMemoryError(
      `${what}: out of memory: ${bytes} more bytes were wanted, ${liveBytes} bytes are live in ${liveBuffers} buffers; ${why}; ${advice}`,
      batchSize,
    )
  }
}

// Engines count array buffers as memory that presses the collector; these are dropped at once and never touched.
function pressCollector(): void {
  for (let i = 0; i < 4; i++) new ArrayBuffer(32 << 20)
}
