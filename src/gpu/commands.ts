import type { Storage } from './memory'
import type { Kernel, Shader } from './pipelines'
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
  shader: Shader
  entry?: string
  constants?: Constants
  /** Bindings 1, 2, … in the shader's order. */
  bind: Binding[]
  words: Word[]
  groups: number
  /** Operations on floats. */
  flops?: number
  /** Bytes read and written, each counted once. Default: all that is bound. */
  bytes?: number
}

/** One dispatch as an op asks for it. `words` follow {base, total} in the uniform. */
export interface Command {
  op: string
  kernel: Kernel
  bindings: Binding[]
  words: Word[]
  /** Workgroups; any number: the grid is folded over three dimensions. */
  groups: number
  /** Estimated work, for pacing and forecasts. */
  flops: number
  bytes: number
}

/** A 32-bit word of a uniform: an integer, or a float marked by `f32()`. */
export type Word = number | { readonly f32: number }

/** Marks a uniform word as a float. */
export const f32 = (value: number): Word => ({ f32: value })

/** A command made ready: what replay hands to the encoder. */
export interface Launch {
  op: string
  pipeline: GPUComputePipeline
  group: GPUBindGroup
  uniformOffset: number
  grid: [number, number, number]
  cost: { flops: number; bytes: number }
}

/** Puts a launch into a pass. */
export function dispatch(pass: GPUComputePassEncoder, { pipeline, group, uniformOffset, grid }: Launch): void {
  pass.setPipeline(pipeline)
  pass.setBindGroup(0, group, [uniformOffset])
  pass.dispatchWorkgroups(...grid)
}

// Kernels count groups in u32, padding included.
const mostGroups = 2 ** 31

/** Splits `groups` over x, y, z so that no dimension exceeds `max`; kernels rebuild the linear id and guard its end. */
export function fold(groups: number, max: number, op: string): [number, number, number] {
  if (groups > Math.min(max ** 3, mostGroups))
    throw new RangeError(`${op}: ${groups} workgroups are more than this device can launch (${Math.min(max ** 3, mostGroups)})`)
  if (groups <= max) return [groups, 1, 1]
  const y = Math.ceil(groups / max)
  if (y <= max) return [Math.ceil(groups / y), y, 1]
  const z = Math.ceil(groups / (max * max))
  const xy = Math.ceil(groups / z)
  const [x, yy] = fold(xy, max, op)
  return [x, yy, z]
}

const alignment = 256

/** Uniforms of many launches in one buffer, each at an aligned offset, bound with dynamic offsets. */
export class UniformBlock {
  #words = new Uint32Array(1024)
  #floats = new Float32Array(this.#words.buffer)
  #used = 0

  /** Adds {base, total, ...words}; returns the byte offset. */
  add(base: number, total: number, words: Word[]): number {
    const offset = this.#used
    if (words.length + 2 > alignment / 4) throw new RangeError(`a uniform holds ${alignment / 4 - 2} words, got ${words.length}`)
    this.#used += alignment
    if (this.#used > this.#words.byteLength) this.#grow()
    const at = offset / 4
    this.#words[at] = base
    this.#words[at + 1] = total
    words.forEach((word, i) => {
      if (typeof word === 'number') this.#words[at + 2 + i] = word
      else this.#floats[at + 2 + i] = word.f32
    })
    return offset
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#words.buffer as ArrayBuffer, 0, this.#used)
  }

  #grow(): void {
    const words = new Uint32Array(this.#words.length * 2)
    words.set(this.#words)
    this.#words = words
    this.#floats = new Float32Array(words.buffer)
  }
}

export const uniformBinding = alignment
