import { asError, type Device, GpuError } from '../gpu'
import { UniformBlock, uniformBinding } from '../gpu/commands'
import type { Kernel } from '../gpu/pipelines'
import { preprocess } from '../gpu/wgsl'
import { fromHalf, toHalf } from '../io/half'
import type { Case, Slot } from './check'

const alignment = 256

/** Where a slot lies: in the buffer of what is read, or of what is written. */
interface Place {
  written: boolean
  offset: number
  size: number
  half: boolean
  read: (bytes: ArrayBuffer) => Numbers
}

type Numbers = Slot['before']

/** What a written slot holds after a case; `half`: it can only hold half floats. */
export interface Result {
  got: Numbers
  half: boolean
}

/**
 * Runs cases of one kernel apart from the device's own lists and memory: a wrong kernel can spoil nothing.
 * @returns for each case what its written slots hold afterwards, in order
 */
export async function runCases(device: Device, kernel: Kernel, cases: Case[]): Promise<Result[][]> {
  const pipeline = await device.work.orLost(kernel.pipeline)
  const places = layOut(cases, halfBindings(preprocess(kernel.text?.source ?? '', kernel.constants)))
  const { gpu } = device
  const buffers: GPUBuffer[] = []
  const make = (size: number, usage: number) => {
    const buffer = gpu.createBuffer({ label: `doctor: ${kernel.label}`, size: Math.max(alignment, size), usage })
    buffers.push(buffer)
    return buffer
  }
  gpu.pushErrorScope('validation')
  let staging: GPUBuffer
  let error: Promise<GPUError | null>
  try {
    staging = submit(device, pipeline, cases, places, make)
  } finally {
    error = gpu.popErrorScope()
  }
  try {
    const found = await device.work.orLost(error)
    if (found) throw new GpuError(found.message)
    await device.work.orLost(staging.mapAsync(1))
    const bytes = staging.getMappedRange().slice(0)
    return places.map((all) => all.filter((p) => p.written).map(({ half, read }) => ({ half, got: read(bytes) })))
  } catch (thrown) {
    throw asError(thrown)
  } finally {
    for (const buffer of buffers) buffer.destroy()
  }
}

/** Which of bindings 1, 2, … are arrays of half floats, read off the text and its aliases. */
function halfBindings(code: string): boolean[] {
  const aliases = new Map(
    [...code.matchAll(/^(?:enable f16; )?alias (\w+) = (?:(?:vec4|array)<)?(\w+)[^;]*;/gm)].map(([, name, type]) => [name, type]),
  )
  const isHalf = (type: string): boolean => (aliases.has(type) ? isHalf(aliases.get(type) as string) : type === 'f16' || type === 'vec4h')
  const found: boolean[] = []
  for (const [, binding, type] of code.matchAll(/@binding\((\d+)\) var<storage, \w+> \w+: array<(?:vec4<)?(\w+)>/g))
    found[Number(binding) - 1] = isHalf(type)
  return found
}

function layOut(cases: Case[], halves: boolean[]): Place[][] {
  const ends = { read: 0, written: 0 }
  return cases.map(({ slots }) =>
    slots.map(({ before, after }, i) => {
      const kind = after ? 'written' : 'read'
      const offset = ends[kind]
      const half = Boolean(halves[i])
      // Whole vec4s, whatever the kernel reads.
      const size = Math.ceil(before.byteLength / (half ? 32 : 16)) * 16
      ends[kind] = offset + Math.ceil(size / alignment) * alignment
      const Kind = before.constructor as Float32ArrayConstructor
      const read = (bytes: ArrayBuffer) => (half ? fromHalf(new Uint16Array(bytes, offset, size / 2)) : new Kind(bytes, offset, size / 4))
      return { written: Boolean(after), offset, size, half, read }
    }),
  )
}

/** The bytes of a slot, padded to whole words. */
function packed(before: Numbers, half: boolean): ArrayBufferView<ArrayBuffer> {
  if (!half) return before as Float32Array<ArrayBuffer>
  const bits = new Uint16Array(2 * Math.ceil(before.length / 2))
  bits.set(toHalf(Float32Array.from(before)))
  return bits
}

type Make = (size: number, usage: number) => GPUBuffer

function submit(device: Device, pipeline: GPUComputePipeline, cases: Case[], places: Place[][], make: Make): GPUBuffer {
  const { gpu } = device
  const end = (written: boolean) =>
    Math.max(0, ...places.flat().map((p) => (p.written === written ? Math.ceil((p.offset + p.size) / alignment) * alignment : 0)))
  const inputs = make(end(false), 0x80 | 0x8) // STORAGE | COPY_DST
  const outputs = make(end(true), 0x80 | 0x8 | 0x4) // and COPY_SRC
  const staging = make(end(true), 0x1 | 0x8) // MAP_READ | COPY_DST
  cases.forEach(({ slots }, i) => {
    slots.forEach(({ before }, j) => {
      const place = places[i][j]
      gpu.queue.writeBuffer(place.written ? outputs : inputs, place.offset, packed(before, place.half))
    })
  })
  const uniforms = new UniformBlock()
  const launches = cases.map(({ groups, words }) =>
    ranges(groups).map(({ base, count, grid }) => ({ at: uniforms.add(base, base + count, words), grid })),
  )
  const uniform = make(uniforms.bytes.byteLength, 0x40 | 0x8) // UNIFORM | COPY_DST
  gpu.queue.writeBuffer(uniform, 0, uniforms.bytes)
  const encoder = gpu.createCommandEncoder()
  const pass = encoder.beginComputePass()
  pass.setPipeline(pipeline)
  cases.forEach((_, i) => {
    const group = bindGroup(gpu, pipeline, uniform, places[i], inputs, outputs)
    for (const { at, grid } of launches[i]) {
      pass.setBindGroup(0, group, [at])
      pass.dispatchWorkgroups(...grid)
    }
  })
  pass.end()
  encoder.copyBufferToBuffer(outputs, 0, staging, 0, end(true))
  gpu.queue.submit([encoder.finish()])
  return staging
}

interface Range {
  base: number
  count: number
  grid: [number, number, number]
}

const flat = (base: number, count: number): Range => ({ base, count, grid: [count, 1, 1] })
/** Over three dimensions, with groups past the range's end: they must do nothing. */
const folded = (base: number, count: number): Range => ({ base, count, grid: [Math.ceil(count / 4), 2, 2] })

/** As the pacer cuts long dispatches and as `fold` lays large ones. */
function ranges(groups: number): Range[] {
  return groups > 2 ? [folded(0, groups - 2), flat(groups - 2, 1), folded(groups - 1, 1)] : [flat(0, groups)]
}

function bindGroup(
  gpu: GPUDevice,
  pipeline: GPUComputePipeline,
  uniform: GPUBuffer,
  places: Place[],
  inputs: GPUBuffer,
  outputs: GPUBuffer,
): GPUBindGroup {
  const storages = places.map(({ written, offset, size }, i) => ({
    binding: i + 1,
    resource: { buffer: written ? outputs : inputs, offset, size },
  }))
  return gpu.createBindGroup({
    label: pipeline.label,
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: uniform, size: uniformBinding } }, ...storages],
  })
}
