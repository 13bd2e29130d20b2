import { type Command, fold, type Launch, UniformBlock, uniformBinding, type Word } from './commands'
import { asError, DeviceLostError, GpuError } from './errors'
import { Memory, Storage } from './memory'
import { Pacer, type Rates, realGpu, softwareGpu } from './pacer'
import { Kernels } from './pipelines'
import { keepAlive } from './platform.node'
import { Arena, Recording } from './recording'
import type { Constants } from './wgsl'

/** A range of a storage, in bytes. */
export interface Binding {
  storage: Storage
  offset: number
  size: number
  /** The real buffer, once it is known: at once for eager work, by the plan for recordings. */
  buffer?: GPUBuffer
}

/** What an op hands to `device.run`. */
export interface Dispatch {
  op: string
  shader: string
  entry?: string
  constants?: Constants
  /** Bindings 1, 2, … in the shader's order. */
  bind: Binding[]
  words: Word[]
  groups: number
  flops?: number
}

export interface DeviceLimits {
  maxStorageBufferBindingSize: number
  maxBufferSize: number
  maxComputeWorkgroupsPerDimension: number
  maxStorageBuffersPerShaderStage: number
  minStorageBufferOffsetAlignment: number
}

export interface DeviceSettings {
  limits: DeviceLimits
  adapterName: string
  software: boolean
  features: ReadonlySet<string>
  memoryLimit: number
  submitBudgetMs: number
  onError?: (error: Error) => void
  release: () => void
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
  readonly memory: Memory
  readonly kernels: Kernels
  readonly pacer: Pacer
  readonly arena: Arena
  readonly lost: Promise<DeviceLostError>
  #pending: Command[] = []
  #recording: Recording | null = null
  #tail: Promise<void> = Promise.resolve()
  #failures: Error[] = []
  #lostError: DeviceLostError | null = null
  #uniforms: GPUBuffer | null = null
  #destroyed = false

  constructor(
    readonly gpu: GPUDevice,
    private readonly settings: DeviceSettings,
  ) {
    this.limits = settings.limits
    this.adapterName = settings.adapterName
    this.software = settings.software
    this.features = settings.features
    const rates: Rates = settings.software ? softwareGpu : realGpu
    this.memory = new Memory(
      gpu,
      settings.memoryLimit,
      (e) => this.#fail(e),
      (job) => this.#later(job),
    )
    this.kernels = new Kernels(gpu)
    this.pacer = new Pacer(gpu, rates, settings.submitBudgetMs / 1000)
    this.arena = new Arena(this.memory)
    gpu.onuncapturederror = (event) => this.#fail(new GpuError(event.error.message))
    this.lost = gpu.lost.then((info) => {
      this.#lostError = new DeviceLostError(
        `the device was lost (${info.reason || 'unknown'}): ${info.message}. Open a new device and go on from the last checkpoint.`,
      )
      return this.#lostError
    })
  }

  /** Memory for a tensor: planned while recording, real otherwise. Sizes are in bytes. */
  allocate(size: number, op: string): Storage {
    return this.#recording ? new Storage(size, op) : this.allocatePinned(size, op)
  }

  /** Memory that outlives recordings: weights, inputs, optimizer state. */
  allocatePinned(size: number, op: string): Storage {
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
    if (d.groups === 0) return
    const kernel = this.kernels.get(d.op, d.shader, d.entry ?? 'main', d.constants)
    if (kernel.writes.length !== d.bind.length)
      throw new GpuError(`${d.op}: the kernel has ${kernel.writes.length} storage bindings, the op gave ${d.bind.length}`)
    if (d.bind.length > this.limits.maxStorageBuffersPerShaderStage)
      throw new GpuError(`${d.op}: ${d.bind.length} storage buffers, this device allows ${this.limits.maxStorageBuffersPerShaderStage}`)
    let bytes = 0
    for (const { storage, size } of d.bind) {
      bytes += size
      if (storage.dead) throw new GpuError(`${d.op}: a tensor made by ${storage.madeBy} was used after its memory was given back`)
      if (size > this.limits.maxStorageBufferBindingSize)
        throw new GpuError(
          `${d.op}: a binding of ${size} bytes exceeds maxStorageBufferBindingSize ${this.limits.maxStorageBufferBindingSize}`,
        )
    }
    const command: Command = { op: d.op, kernel, bindings: d.bind, words: d.words, groups: d.groups, flops: d.flops ?? 0, bytes }
    if (this.#recording) {
      this.#recording.add(command)
      return
    }
    // Eager commands keep the buffer of this moment: its storage may be freed and recycled later in the list.
    this.#pending.push({ ...command, bindings: d.bind.map((b) => ({ ...b, buffer: realBuffer(b.storage, d.op) })) })
    if (this.#pending.length >= 128) this.flush()
  }

  /**
   * Records what `body` dispatches without running it. Storages made inside are planned into shared arena buffers;
   * those in `keep(result)` stay real and readable after each replay.
   */
  async record<T>(name: string, body: () => T, keep: (result: T) => Storage[]): Promise<{ recording: Recording; result: T }> {
    if (this.#recording) throw new GpuError(`record: '${name}' inside the recording '${this.#recording.name}'`)
    const recording = new Recording(name, this)
    this.#recording = recording
    let result: T
    try {
      result = body()
    } finally {
      this.#recording = null
    }
    try {
      await keepAlive(recording.finish(keep(result)))
    } catch (thrown) {
      recording.dispose()
      throw asError(thrown)
    }
    this.#throwFailure()
    return { recording, result }
  }

  get recording(): Recording | null {
    return this.#recording
  }

  /** Writes bytes into a storage, in order with all work given before. */
  write(storage: Storage, offset: number, data: ArrayBufferView<ArrayBuffer>): void {
    const buffer = realBuffer(storage, 'write')
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
    this.flush()
    this.#later(() => this.gpu.queue.writeBuffer(buffer, offset, bytes))
  }

  /** Reads bytes back, after all work given before has run. `size` and `offset` are multiples of 4. */
  async read(storage: Storage, offset: number, size: number): Promise<ArrayBuffer> {
    const buffer = realBuffer(storage, 'read')
    this.flush()
    return keepAlive(
      this.#enqueue(async () => {
        const staging = this.gpu.createBuffer({ label: 'read', size, usage: 0x1 | 0x8 }) // MAP_READ | COPY_DST
        const encoder = this.gpu.createCommandEncoder()
        encoder.copyBufferToBuffer(buffer, offset, staging, 0, size)
        this.gpu.queue.submit([encoder.finish()])
        return staging
      })
        .then(async (staging) => {
          await this.#orLost(staging.mapAsync(1))
          const copy = staging.getMappedRange().slice(0)
          staging.destroy()
          await this.memory.settle()
          this.#throwFailure()
          return copy
        })
        .catch((thrown) => {
          this.#throwFailure()
          throw asError(thrown)
        }),
    )
  }

  /** Hands the eager list to the queue. */
  flush(): void {
    const commands = this.#pending
    if (!commands.length) return
    this.#pending = []
    this.#enqueue(() => this.#runOnce(commands)).catch((thrown) => this.#fail(asError(thrown)))
  }

  /** Resolves when everything given so far has run; rejects with the first error since the last call. */
  async sync(): Promise<void> {
    this.flush()
    await keepAlive(this.#enqueue(() => this.#orLost(this.pacer.drain()))).catch((thrown) => {
      this.#throwFailure()
      throw asError(thrown)
    })
    await this.memory.settle()
    this.#throwFailure()
  }

  /** Runs launches of a recording in order with everything else. */
  async replay(launches: Launch[]): Promise<void> {
    this.flush()
    await keepAlive(this.#enqueue(() => this.#orLost(this.pacer.submit(launches))))
    this.#throwFailure()
  }

  /** Destroys the device and all its memory. Pending work is dropped. */
  destroy(): void {
    if (this.#destroyed) return
    this.#destroyed = true
    this.gpu.destroy()
    this.settings.release()
  }

  [Symbol.dispose](): void {
    this.destroy()
  }

  /** Bind groups and uniform offsets for commands; a dispatch over the time budget becomes ranges of its workgroups. */
  async prepare(commands: Command[], uniforms: UniformBlock, buffer: () => GPUBuffer): Promise<Launch[]> {
    const launches: Launch[] = []
    const pipelines = await Promise.all(commands.map((c) => c.kernel.pipeline))
    const offsets = commands.map((c) =>
      this.#ranges(c).map(([base, count]) => ({ base, count, at: uniforms.add(base, c.groups, c.words) })),
    )
    const uniform = buffer()
    commands.forEach((c, i) => {
      const group = this.gpu.createBindGroup({
        label: c.op,
        layout: c.kernel.layout,
        entries: [
          { binding: 0, resource: { buffer: uniform, size: uniformBinding } },
          ...c.bindings.map((b, j) => ({
            binding: j + 1,
            resource: { buffer: (b.buffer ?? b.storage.buffer) as GPUBuffer, offset: b.offset, size: Math.max(4, b.size) },
          })),
        ],
      })
      for (const { count, at } of offsets[i]) {
        const share = count / c.groups
        launches.push({
          op: c.op,
          pipeline: pipelines[i],
          group,
          uniformOffset: at,
          grid: fold(count, this.limits.maxComputeWorkgroupsPerDimension, c.op),
          cost: { flops: c.flops * share, bytes: c.bytes * share },
        })
      }
    })
    return launches
  }

  #ranges(c: Command): [number, number][] {
    const pieces = this.pacer.pieces(c, c.groups)
    const size = Math.ceil(c.groups / pieces)
    const ranges: [number, number][] = []
    for (let base = 0; base < c.groups; base += size) ranges.push([base, Math.min(size, c.groups - base)])
    return ranges
  }

  async #runOnce(commands: Command[]): Promise<void> {
    const block = new UniformBlock()
    this.gpu.pushErrorScope('validation')
    let launches: Launch[]
    try {
      launches = await this.prepare(commands, block, () => this.#uniformBuffer(block.bytes.byteLength))
    } finally {
      this.#checkScope(commands[0].op)
    }
    this.gpu.queue.writeBuffer(this.#uniforms as GPUBuffer, 0, block.bytes)
    this.gpu.pushErrorScope('validation')
    try {
      await this.pacer.submit(launches)
    } finally {
      this.#checkScope(commands[0].op)
    }
  }

  #uniformBuffer(bytes: number): GPUBuffer {
    if (!this.#uniforms || this.#uniforms.size < bytes) {
      this.#uniforms?.destroy()
      this.#uniforms = this.gpu.createBuffer({ label: 'uniforms', size: Math.max(65536, 2 * bytes), usage: 0x40 | 0x8 })
    }
    return this.#uniforms
  }

  #checkScope(op: string): void {
    this.gpu.popErrorScope().then(
      (error) => error && this.#fail(new GpuError(`${op}: ${error.message}`)),
      (thrown) => this.#fail(asError(thrown)),
    )
  }

  #later(job: () => void): void {
    this.#enqueue(async () => job()).catch((thrown) => this.#fail(asError(thrown)))
  }

  /** All use of the GPU queue goes through one chain, so that its order is the program's. */
  #enqueue<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(() => {
      if (this.#lostError) throw this.#lostError
      return job()
    })
    this.#tail = result.then(
      () => {},
      () => {},
    )
    return result
  }

  #orLost<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.lost.then((error) => Promise.reject(error))])
  }

  #fail(error: Error): void {
    if (this.#destroyed && error instanceof DeviceLostError) return
    this.#failures.push(this.#lostError ?? error)
    this.settings.onError?.(this.#lostError ?? error)
  }

  #throwFailure(): void {
    const [first] = this.#failures
    this.#failures = []
    if (this.#lostError) throw this.#lostError
    if (first) throw first
  }
}

function realBuffer(storage: Storage, op: string): GPUBuffer {
  if (storage.dead) throw new GpuError(`${op}: a tensor made by ${storage.madeBy} was used after its memory was given back`)
  if (!storage.buffer)
    throw new GpuError(`${op}: the tensor made by ${storage.madeBy} exists only inside its recording: return it from the recorded function`)
  return storage.buffer
}
