import { asError, GpuError, OutOfMemoryError } from './errors'

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
  ) {}
}

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
  #sinceHint = 0
  #hinted = false
  /** Set while a long run is planned, for the message of an out-of-memory error. */
  forecast = ''

  constructor(
    private readonly device: GPUDevice,
    private readonly limit: number,
    private readonly fail: (error: Error) => void,
    private readonly later: (job: () => void) => void,
  ) {}

  /** A buffer of at least `bytes`; `op` is named in errors. */
  allocate(bytes: number, op: string): GPUBuffer {
    const size = roundSize(bytes)
    const pooled = this.#pool.get(size)?.pop()
    const { stats } = this
    if (pooled) stats.pooledBytes -= size
    else this.#check(size, op)
    const buffer = pooled ?? this.#create(size, op)
    stats.liveBytes += size
    stats.liveBuffers++
    stats.peakBytes = Math.max(stats.peakBytes, stats.liveBytes)
    return buffer
  }

  /** Takes a buffer back. It is reused by later work, which the queue orders after all earlier work. */
  release(buffer: GPUBuffer): void {
    const { stats } = this
    stats.liveBytes -= buffer.size
    stats.liveBuffers--
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
    for (const shelf of this.#pool.values()) for (const buffer of shelf) this.later(() => buffer.destroy())
    this.#pool.clear()
    this.stats.pooledBytes = 0
  }

  #check(size: number, op: string): void {
    const max = this.device.limits.maxBufferSize
    if (size > max)
      throw new GpuError(
        `${op}: needs one buffer of ${size} bytes; this device's maxBufferSize is ${max}: use a smaller batch or a shorter maxLength`,
      )
    if (this.stats.liveBytes + this.stats.pooledBytes + size > this.limit) this.trim()
    if (this.stats.liveBytes + size > this.limit) throw this.#outOfMemory(size, op, `memoryLimit is ${this.limit} bytes`)
  }

  #create(size: number, op: string): GPUBuffer {
    this.device.pushErrorScope('out-of-memory')
    const buffer = this.device.createBuffer({ label: op, size, usage })
    this.device.popErrorScope().then(
      (error) => error && this.fail(this.#outOfMemory(size, op, error.message)),
      (thrown) => this.fail(asError(thrown)),
    )
    return buffer
  }

  #outOfMemory(size: number, op: string, why: string): OutOfMemoryError {
    const { liveBytes } = this.stats
    const advice = this.forecast || 'use a smaller batch or a shorter maxLength'
    return new OutOfMemoryError(`${op}: out of memory for ${size} bytes: ${liveBytes} bytes are live; ${why}; ${advice}`)
  }
}

// Engines count array buffers as memory that presses the collector; these are dropped at once and never touched.
function pressCollector(): void {
  for (let i = 0; i < 4; i++) new ArrayBuffer(32 << 20)
}
