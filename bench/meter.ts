// What a library asks of WebGPU, counted at WebGPU's own doors, alike for all: dispatches, submits, pipelines, bytes of buffers.
import { describe } from '../src/gpu/open'

export interface Counts {
  dispatches: number
  submits: number
  pipelines: number
  /** Milliseconds in which at least one pipeline was being made asynchronously. */
  compileMs: number
  /** Bytes of buffers that were made and not destroyed. A library that leaves that to the garbage collector is charged for it. */
  liveBytes: number
  peakBytes: number
}

export const counts: Counts = { dispatches: 0, submits: 0, pipelines: 0, compileMs: 0, liveBytes: 0, peakBytes: 0 }

/** The last device that anybody opened, and its adapter's name. */
export const opened: { device: GPUDevice | null; adapter: string } = { device: null, adapter: '' }

// biome-ignore lint/suspicious/noExplicitAny: methods of any signature are wrapped
type Method = (...args: any[]) => any

type Class = { prototype: object }

function wrap(on: Class, name: string, around: (method: Method) => Method): void {
  const methods = on.prototype as Record<string, Method | undefined>
  const method = methods[name]
  if (method) methods[name] = around(method)
}

function count(on: Class, name: string, what: 'dispatches' | 'submits' | 'pipelines'): void {
  wrap(
    on,
    name,
    (method) =>
      function (this: unknown, ...args) {
        counts[what]++
        return method.apply(this, args)
      },
  )
}

/** Call it once, when WebGPU's classes are known and before a device is opened. */
export function meter(): void {
  wrap(
    GPUAdapter,
    'requestDevice',
    (method) =>
      async function (this: GPUAdapter, ...args) {
        const device: GPUDevice = await method.apply(this, args)
        opened.device = device
        opened.adapter = describe(this)
        return device
      },
  )
  count(GPUComputePassEncoder, 'dispatchWorkgroups', 'dispatches')
  count(GPUComputePassEncoder, 'dispatchWorkgroupsIndirect', 'dispatches')
  count(GPUQueue, 'submit', 'submits')
  count(GPUDevice, 'createComputePipeline', 'pipelines')
  count(GPUDevice, 'createComputePipelineAsync', 'pipelines')
  wrap(GPUDevice, 'createComputePipelineAsync', timed)
  wrap(
    GPUDevice,
    'createBuffer',
    (method) =>
      function (this: GPUDevice, ...args) {
        const buffer: GPUBuffer = method.apply(this, args)
        alive.add(buffer)
        counts.liveBytes += buffer.size
        counts.peakBytes = Math.max(counts.peakBytes, counts.liveBytes)
        return buffer
      },
  )
  wrap(
    GPUBuffer,
    'destroy',
    (method) =>
      function (this: GPUBuffer) {
        if (alive.delete(this)) counts.liveBytes -= this.size
        return method.apply(this)
      },
  )
}

let [making, since] = [0, 0]

/** Counts the time from the first request to the last answer. */
const timed = (method: Method): Method =>
  function (this: unknown, ...args) {
    if (making++ === 0) since = performance.now()
    const made: Promise<GPUComputePipeline> = method.apply(this, args)
    const done = () => {
      if (--making === 0) counts.compileMs += performance.now() - since
    }
    made.then(done, done)
    return made
  }

const alive = new WeakSet<GPUBuffer>()
