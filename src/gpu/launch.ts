import { type Command, fold, type Launch, UniformBlock, uniformBinding } from './commands'
import type { Device } from './device'
import { GpuError } from './errors'

/**
 * Makes commands ready: waits for their pipelines, then makes bind groups and uniforms; a dispatch over the time budget
 * becomes ranges of its workgroups. `upload` puts the uniforms' bytes into a buffer.
 */
export async function prepare(
  device: Device,
  commands: readonly Command[],
  upload: (bytes: Uint8Array<ArrayBuffer>) => GPUBuffer,
): Promise<Launch[]> {
  const pipelines = await Promise.all(commands.map((c) => c.kernel.pipeline))
  const uniforms = new UniformBlock()
  const ranges = commands.map((c) =>
    // A range's end guards it: groups that folding adds must not run the next range's work.
    cut(device, c).map(([base, count]) => ({ count, at: uniforms.add(base, base + count, c.words) })),
  )
  const uniform = device.work.watch(
    'validation',
    () => upload(uniforms.bytes),
    (message) => new GpuError(`uniforms: ${message}`),
  )
  return commands.flatMap((c, i) => {
    const group = device.work.watch(
      'validation',
      () => bindGroup(device, c, pipelines[i], uniform),
      (message) => new GpuError(`${c.op}: ${message}`),
    )
    return ranges[i].map(({ count, at }): Launch => {
      const grid = fold(count, device.limits.maxComputeWorkgroupsPerDimension, c.op)
      const share = count / c.groups
      const cost = { flops: c.flops * share, bytes: c.bytes * share }
      return { op: c.op, pipeline: pipelines[i], group, uniformOffset: at, grid, cost }
    })
  })
}

function bindGroup(device: Device, c: Command, pipeline: GPUComputePipeline, uniform: GPUBuffer): GPUBindGroup {
  const storages = c.bindings.map((b, i) => ({
    binding: i + 1,
    resource: { buffer: b.buffer ?? device.realBuffer(b.storage, c.op), offset: b.offset, size: Math.max(4, b.size) },
  }))
  return device.gpu.createBindGroup({
    label: c.op,
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: uniform, size: uniformBinding } }, ...storages],
  })
}

/** [first group, number of groups] of each range. */
function cut(device: Device, c: Command): [number, number][] {
  const size = Math.ceil(c.groups / device.pacer.pieces(c, c.groups))
  const ranges: [number, number][] = []
  for (let base = 0; base < c.groups; base += size) ranges.push([base, Math.min(size, c.groups - base)])
  return ranges
}
