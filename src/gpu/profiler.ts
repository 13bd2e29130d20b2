// Loaded when needed, and so imports nothing of what is always there.
import type { Launch } from './commands'
import type { Device } from './device'
import type { Timer } from './pacer'
import { Profile } from './profile'

/** Begins to time what is given to the device from now on. @throws Error */
export function startProfiler(device: Device): Profiler {
  if (!device.features.has('timestamp-query'))
    throw new Error(`profile: ${device.adapterName} was opened without timestamp-query: its kernels cannot be timed`)
  if (busy.has(device)) throw new Error('profile: this device has a profiler at work: stop that first')
  return new Profiler(device)
}

const busy = new WeakSet<Device>()
// WebGPU's most queries of a set, two for each dispatch.
const perSet = 2048

/** Times dispatches: each in a pass of its own, between two timestamps of the GPU. */
export class Profiler {
  readonly #profile: Profile
  readonly #reads = new Set<Promise<void>>()
  #stopped: Promise<Profile> | null = null

  constructor(private readonly device: Device) {
    this.#profile = new Profile(device.adapterName)
    busy.add(device)
    device.later(() => {
      device.pacer.timer = (...submit) => this.#encode(...submit)
    })
  }

  /** Times nothing more; resolves with the times of all that was given before. Called again it gives the same. */
  stop(): Promise<Profile> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<Profile> {
    const { device } = this
    busy.delete(device)
    device.later(() => {
      device.pacer.timer = null
    })
    device.work.later(async () => {
      await Promise.all(this.#reads)
    })
    await device.sync()
    return this.#profile
  }

  #encode(...[encoder, launches, list, dispatch]: Parameters<Timer>): () => void {
    const sets: (() => void)[] = []
    for (let i = 0; i < launches.length; i += perSet) sets.push(this.#encodeSet(encoder, launches.slice(i, i + perSet), list, dispatch))
    return () => {
      for (const read of sets) read()
    }
  }

  #encodeSet(...[encoder, launches, list, dispatch]: Parameters<Timer>): () => void {
    const { gpu } = this.device
    const count = 2 * launches.length
    const querySet = gpu.createQuerySet({ type: 'timestamp', count })
    const resolved = gpu.createBuffer({ label: 'times', size: 8 * count, usage: 0x200 | 0x4 }) // QUERY_RESOLVE | COPY_SRC
    const staging = gpu.createBuffer({ label: 'times', size: 8 * count, usage: 0x1 | 0x8 }) // MAP_READ | COPY_DST
    launches.forEach((launch, i) => {
      const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 }
      const pass = encoder.beginComputePass({ timestampWrites })
      dispatch(pass, launch)
      pass.end()
    })
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0)
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, 8 * count)
    return () => {
      const read = this.#read(staging, launches, list).finally(() => {
        for (const each of [querySet, resolved, staging]) each.destroy()
        this.#reads.delete(read)
      })
      read.catch(() => {}) // `stop` tells it
      this.#reads.add(read)
    }
  }

  async #read(staging: GPUBuffer, launches: readonly Launch[], list: string): Promise<void> {
    await staging.mapAsync(1)
    this.#profile.add(list, launches, new BigUint64Array(staging.getMappedRange()))
  }
}
