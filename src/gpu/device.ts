import type { Command, Dispatch, Launch } from './commands'
import { asError, DeviceLostError, GpuError } from './errors'
import { prepare } from './launch'
import { Memory, Storage } from './memory'
import { Pacer, realGpu, softwareGpu } from './pacer'
import { Kernels } from './pipelines'
import { keepAlive } from './platform.node'
import type { Profiler } from './profiler'
import { Arena, Recording } from './recording'
import { WorkQueue } from './work_queue'

/** The limits of WebGPU that kernels and memory are fitted to, by WebGPU's names; sizes in bytes. */
export interface DeviceLimits {
  maxStorageBufferBindingSize: number
  maxBufferSize: number
  maxComputeWorkgroupsPerDimension: number
  maxStorageBuffersPerShaderStage: number
  minStorageBufferOffsetAlignment: number
}

/** A product that matrix units do at once: M × K numbers of `componentType` by K × N, with sums of `resultComponentType`. */
export interface UnitShape {
  componentType: string
  resultComponentType: string
  M: number
  N: number
  K: number
}

export interface DeviceSettings {
  limits: DeviceLimits
  adapterName: string
  software: boolean
  features: ReadonlySet<string>
  units: readonly UnitShape[]
  memoryLimit: number
  submitBudgetMs: number
  onError?: (error: Error) => void
}

/**
 * A WebGPU device with its memory, kernels and queue. Ops call `run`; while a recording is made their dispatches go
 * into it, else they wait in a list that is submitted when somebody looks at a result: eager is a list that runs once.
 */
export class Device {
  readonly limits: DeviceLimits
  /** E.g. `SwiftShader Device (Subzero) (software)`. */
  readonly adapterName: string
  /** True when a processor computes: kernels choose other tiles, submits have a larger budget. */
  readonly software: boolean
  readonly features: ReadonlySet<string>
  /** What its matrix units do, where it was opened with `experimental` and has them. */
  readonly units: readonly UnitShape[]
  readonly memory: Memory
  readonly kernels: Kernels
  readonly pacer: Pacer
  readonly arena: Arena
  readonly work: WorkQueue
  /** Awaited after each recording was made, before anybody can replay it; what it throws `record` throws. */
  afterRecord: (() => Promise<void>) | null = null
  /** How many kernels were checked before they were run, and the ms that it took. */
  readonly selfTest = { kernels: 0, ms: 0 }
  #pending: Command[] = []
  #recording: Recording | null = null
  #uniforms: GPUBuffer | null = null

  constructor(
    readonly gpu: GPUDevice,
    settings: DeviceSettings,
  ) {
    const { limits, software, memoryLimit } = settings
    this.limits = limits
    this.adapterName = settings.adapterName
    this.software = software
    this.features = settings.features
    this.units = settings.units
    this.work = new WorkQueue(gpu, settings.onError)
    this.memory = new Memory(gpu, memoryLimit, limits.maxBufferSize, this.work, (job) => this.later(job))
    this.kernels = new Kernels(gpu)
    this.pacer = new Pacer(gpu, software ? softwareGpu : realGpu, settings.submitBudgetMs / 1000, this.work)
    this.arena = new Arena(this.memory)
  }

  /** Resolves when the device is gone: destroyed, or lost to a driver reset. */
  get lost(): Promise<DeviceLostError> {
    return this.work.lost
  }

  /** Memory for a tensor: planned while recording, real otherwise. Sizes are in bytes. */
  allocate(size: number, op: string): Storage {
    return this.#recording ? new Storage(size, op, this.#recording) : this.allocatePinned(size, op)
  }

  /** Memory that outlives recordings: weights, inputs, optimizer state. */
  allocatePinned(size: number, op: string): Storage {
    this.work.assertAlive()
    const storage = new Storage(size, op)
    storage.buffer = this.memory.allocate(size, op)
    this.memory.collect(storage)
    return storage
  }

  /** Gives a storage's memory back. Harmless when called twice. */
  free(storage: Storage): void {
    if (storage.buffer && !storage.dead) this.memory.release(storage.buffer)
    this.memory.forget(storage)
    storage.dead = true
    storage.buffer = null
  }

  /** Adds one dispatch to the recording in progress, or to the eager list. */
  run(d: Dispatch): void {
    this.work.assertAlive()
    if (d.groups === 0) return
    const kernel = this.kernels.get(d.op, d.shader, d.entry ?? 'main', d.constants)
    const wanted = kernel.text?.writes.length ?? d.bind.length
    if (wanted !== d.bind.length) throw new GpuError(`${d.op}: the kernel has ${wanted} storage bindings, the op gave ${d.bind.length}`)
    this.#checkBindings(d)
    const bytes = d.bytes ?? d.bind.reduce((sum, { size }) => sum + size, 0)
    const command: Command = { op: d.op, kernel, bindings: d.bind, words: d.words, groups: d.groups, flops: d.flops ?? 0, bytes }
    if (this.#recording) {
      this.#recording.add(command)
      return
    }
    // Eager commands keep the buffer of this moment: its storage may be freed and recycled later in the list.
    this.#pending.push({ ...command, bindings: d.bind.map((b) => ({ ...b, buffer: this.realBuffer(b.storage, d.op) })) })
    if (this.#pending.length >= 128) this.flush()
  }

  /**
   * Records what `body` dispatches without running it. Storages made inside are planned into shared arena buffers;
   * those in `keep(result)` stay real and readable after each replay.
   */
  async record<T>(name: string, body: () => T, keep: (result: T) => Storage[]): Promise<{ recording: Recording; result: T }> {
    if (this.#recording) throw new GpuError(`record: '${name}' inside the recording '${this.#recording.name}'`)
    this.work.assertAlive()
    const recording = new Recording(name, this)
    this.#recording = recording
    let result: T
    try {
      result = body()
    } finally {
      this.#recording = null
    }
    try {
      await keepAlive(this.work.orLost(recording.finish(keep(result))))
      await keepAlive(this.work.settle())
      await this.afterRecord?.()
    } catch (thrown) {
      recording.dispose()
      this.arena.dropInvalid()
      throw asError(thrown)
    }
    return { recording, result }
  }

  /** The recording that is being made; null while commands run at once. */
  get recording(): Recording | null {
    return this.#recording
  }

  /** Writes bytes into a storage, in order with all work given before. */
  write(storage: Storage, offset: number, data: ArrayBufferView<ArrayBuffer>): void {
    this.work.assertAlive()
    const buffer = this.realBuffer(storage, 'write')
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
    this.later(() =>
      this.work.watch(
        'validation',
        () => this.gpu.queue.writeBuffer(buffer, offset, bytes),
        (message) => new GpuError(`write to a tensor made by ${storage.madeBy}: ${message}`),
      ),
    )
  }

  /** Reads bytes back, after all work given before has run. `size` and `offset` are multiples of 4. */
  async read(storage: Storage, offset: number, size: number): Promise<ArrayBuffer> {
    this.work.assertAlive()
    const buffer = this.realBuffer(storage, 'read')
    this.flush()
    const staged = this.work.add(() =>
      this.work.watch(
        'validation',
        () => this.#stage(buffer, offset, size),
        (message) => new GpuError(`read of a tensor made by ${storage.madeBy}: ${message}`),
      ),
    )
    return keepAlive(this.#map(staged))
  }

  /** Hands the eager list to the queue. */
  flush(): void {
    const commands = this.#pending
    if (!commands.length) return
    this.#pending = []
    this.work.later(() => this.#runOnce(commands))
  }

  /** Runs `job` on the queue after all work given before; an error shows at the next read or sync. */
  later(job: () => void): void {
    this.flush()
    this.work.later(job)
  }

  /** Resolves when everything given so far has run; rejects with the first error since the last call. */
  async sync(): Promise<void> {
    this.flush()
    await keepAlive(this.work.add(() => this.pacer.drain()))
    await keepAlive(this.memory.settle())
    await keepAlive(this.work.settle())
  }

  /** Runs launches of a recording in order with everything else. */
  async replay(launches: readonly Launch[], name: string): Promise<void> {
    this.flush()
    await keepAlive(this.work.add(() => this.pacer.submit(launches, name)))
    this.work.throwFailure()
  }

  /**
   * Times every dispatch given from now on until the profiler's `stop()`. It asks for a device with `timestamp-query`;
   * one that was opened with `profile: true` tells times as exactly as its platform can.
   * @throws Error where the device has no `timestamp-query`, or a profiler is at work already
   */
  async profile(): Promise<Profiler> {
    this.work.assertAlive()
    const { startProfiler } = await import('./profiler')
    return startProfiler(this)
  }

  /** Treats a device that hangs as lost: whatever waits for it rejects with `error`, now and from now on. */
  abandon(error: DeviceLostError): void {
    this.work.close(error, true)
    this.#pending = []
  }

  /** Destroys the device and all its memory. Pending work is dropped: what waits for it rejects. */
  destroy(): void {
    this.work.close(new DeviceLostError('this device was destroyed: open a new one'), false)
    this.#pending = []
    this.gpu.destroy()
  }

  /** For `using`: destroys the device. */
  [Symbol.dispose](): void {
    this.destroy()
  }

  /** Makes commands ready to be launched. */
  prepare(commands: readonly Command[], upload: (bytes: Uint8Array<ArrayBuffer>) => GPUBuffer): Promise<Launch[]> {
    return prepare(this, commands, upload)
  }

  /** The storage's buffer, or an error that says why it has none. */
  realBuffer(storage: Storage, op: string): GPUBuffer {
    this.#checkUse(storage, op)
    if (!storage.buffer) throw new GpuError(`${op}: the tensor made by ${storage.madeBy} has no memory yet: its recording is being made`)
    return storage.buffer
  }

  #checkUse({ dead, buffer, home, madeBy }: Storage, op: string): void {
    if (dead) throw new GpuError(`${op}: a tensor made by ${madeBy} was used after its memory was given back`)
    if (!buffer && home && home !== this.#recording)
      throw new GpuError(
        `${op}: the tensor made by ${madeBy} exists only inside its recording '${home.name}': return it from the recorded function`,
      )
  }

  #checkBindings({ op, bind }: Dispatch): void {
    const { maxStorageBuffersPerShaderStage: most, maxStorageBufferBindingSize: largest } = this.limits
    if (bind.length > most) throw new GpuError(`${op}: ${bind.length} storage buffers, this device allows ${most}`)
    for (const { storage, size } of bind) {
      this.#checkUse(storage, op)
      if (size > largest) throw new GpuError(`${op}: a binding of ${size} bytes exceeds maxStorageBufferBindingSize ${largest}`)
    }
  }

  async #runOnce(commands: Command[]): Promise<void> {
    const launches = await this.prepare(commands, (bytes) => {
      const buffer = this.#uniformBuffer(bytes.byteLength)
      this.gpu.queue.writeBuffer(buffer, 0, bytes)
      return buffer
    })
    const [first, last] = [commands[0].op, commands[commands.length - 1].op]
    await this.pacer.submit(launches, commands.length > 1 ? `${first} … ${last}` : first)
  }

  #uniformBuffer(bytes: number): GPUBuffer {
    if (!this.#uniforms || this.#uniforms.size < bytes) {
      this.#uniforms?.destroy()
      this.#uniforms = this.gpu.createBuffer({ label: 'uniforms', size: Math.max(65536, 2 * bytes), usage: 0x40 | 0x8 })
    }
    return this.#uniforms
  }

  #stage(buffer: GPUBuffer, offset: number, size: number): GPUBuffer {
    const staging = this.gpu.createBuffer({ label: 'read', size, usage: 0x1 | 0x8 }) // MAP_READ | COPY_DST
    const encoder = this.gpu.createCommandEncoder()
    encoder.copyBufferToBuffer(buffer, offset, staging, 0, size)
    this.gpu.queue.submit([encoder.finish()])
    return staging
  }

  async #map(staged: Promise<GPUBuffer>): Promise<ArrayBuffer> {
    const staging = await staged
    try {
      await this.work.orLost(staging.mapAsync(1))
      const copy = staging.getMappedRange().slice(0)
      await this.memory.settle()
      await this.work.settle()
      return copy
    } catch (thrown) {
      await this.work.settle() // the cause, where it is known
      throw asError(thrown)
    } finally {
      staging.destroy()
    }
  }
}
