import { OutOfMemoryError } from '../gpu'
import type { CallablePeftModel, ParameterCounts } from '../peft'
import type { Engine } from './engine'
import { type Example, type HostBatch, hostBatch } from './examples'
import type { Kind } from './program'

/** What a batch of the longest rows takes. Bytes. */
export interface MemoryForecast {
  /** Rows and tokens of the largest training batch. */
  rows: number
  tokens: number
  /** Held on this device with everything that the run needs: weights, adapter, optimizer, one step, an evaluation. */
  liveBytes: number
  liveBuffers: number
  /** Of these, what was taken for the run's lists: activations, gradients, inputs. */
  stepBytes: number
  largestBuffer: number
  maxBufferSize: number
  largestBinding: number
  maxStorageBufferBindingSize: number
  /** Infinity where `openDevice` was given none. */
  memoryLimit: number
}

/** Told before the first step. */
export interface BeginEvent {
  trained: ParameterCounts
  /** Steps that a checkpoint had done already. */
  step: number
  totalSteps: number
  /** Examples that make one step. */
  examplesPerStep: number
  memory: MemoryForecast
  /** Which kernel a product of a shape takes; of shapes that are not told, the usual one. */
  kernels: Record<string, string>
  /** All of it in words. */
  text: string
}

/** A batch that a run will need, as large as its data make it. */
export interface LargestBatch {
  kinds: Kind[]
  /** The argument that makes it smaller. */
  argument: 'perDeviceTrainBatchSize' | 'perDeviceEvalBatchSize'
  size: number
  examples: Example[]
  maxLength: number
}

/**
 * Takes the memory of the largest batches now, so that the longest row cannot end the run at step 900.
 * @throws OutOfMemoryError with a batch size that fits
 */
export async function takeMemory(engine: Engine, padTokenId: number | undefined, batches: LargestBatch[]): Promise<MemoryForecast> {
  const { model, program } = engine
  const { memory, limits } = model.device
  const before = memory.stats.liveBytes
  let [largestBuffer, largestBinding] = [0, 0]
  const made: HostBatch[] = []
  for (const wanted of batches) {
    const batch = longest(model, wanted, wanted.size, padTokenId)
    made.push(batch)
    memory.forecast = { advice: `this is ${describe(batch)}, the largest of the data` }
    for (const kind of wanted.kinds) {
      const lists = await program.plan(kind, batch).catch(async (thrown) => {
        if (!(thrown instanceof OutOfMemoryError)) throw thrown
        const { advice, size } = await advise(engine, wanted, batch, padTokenId)
        throw new OutOfMemoryError(`${thrown.message}; ${advice}`, size)
      })
      for (const { largest } of lists) {
        largestBuffer = Math.max(largestBuffer, largest.buffer)
        largestBinding = Math.max(largestBinding, largest.binding)
      }
    }
  }
  const { liveBytes, liveBuffers } = memory.stats
  const { maxBufferSize, maxStorageBufferBindingSize } = limits
  return {
    rows: made[0].size,
    tokens: tokensOf(made[0]),
    ...{ liveBytes, liveBuffers, stepBytes: liveBytes - before },
    ...{ largestBuffer, maxBufferSize, largestBinding, maxStorageBufferBindingSize, memoryLimit: memory.limit },
  }
}

/** The longest rows together; fewer where there are not so many. */
function longest(
  { base }: CallablePeftModel,
  { examples, maxLength }: LargestBatch,
  size: number,
  padTokenId: number | undefined,
): HostBatch {
  const sorted = [...examples].sort((a, b) => b.encoding.ids.length - a.encoding.ids.length)
  return hostBatch(sorted.slice(0, size), base.config, padTokenId, maxLength)
}

const tokensOf = ({ inputs }: HostBatch) => ('features' in inputs ? 1 : inputs.length)

const describe = (batch: HostBatch) => `a batch of ${batch.size} rows of ${tokensOf(batch)} tokens`

/** A size that was tried and fits. */
async function advise(
  engine: Engine,
  wanted: LargestBatch,
  batch: HostBatch,
  padTokenId: number | undefined,
): Promise<{ advice: string; size?: number }> {
  for (let size = batch.size >> 1; size >= 1; size >>= 1) {
    const smaller = longest(engine.model, wanted, size, padTokenId)
    if (!(await fits(engine, wanted.kinds, smaller))) continue
    const same = wanted.argument === 'perDeviceTrainBatchSize' ? ` (with more gradientAccumulationSteps the steps stay as large)` : ''
    return { advice: `${wanted.argument} ${size} fits${same}`, size }
  }
  const tokens = tokensOf(batch)
  return { advice: `not even one row of ${tokens} tokens fits: use a smaller maxLength or another model` }
}

async function fits({ program }: Engine, kinds: Kind[], batch: HostBatch): Promise<boolean> {
  try {
    // Accumulation may be what the user turns to.
    for (const kind of new Set<Kind>([...kinds, ...(kinds.includes('first') ? (['more'] as const) : [])])) await program.plan(kind, batch)
    return true
  } catch (thrown) {
    if (!(thrown instanceof OutOfMemoryError)) throw thrown
    return false
  } finally {
    for (const kind of ['first', 'more', 'logits'] as const) program.forget(kind, batch)
  }
}

/** The event's text: a line on what is trained, one on the steps, two on memory. */
export function describeRun({ trained, step, totalSteps, examplesPerStep, memory: m, kernels }: Omit<BeginEvent, 'text'>): string {
  const n = (value: number) => value.toLocaleString('en-US')
  const tuned = Object.keys(kernels).length
  const limit = Number.isFinite(m.memoryLimit) ? bytes(m.memoryLimit) : 'none'
  return [
    `trained parameters: ${n(trained.adapter + trained.head)} (adapter ${n(trained.adapter)} + head ${n(trained.head)}) of ${n(trained.all)}`,
    `steps: ${step ? `${n(totalSteps - step)} of ${n(totalSteps)} to go` : n(totalSteps)}, ${n(examplesPerStep)} examples each`,
    `memory with the longest batch of the data (${m.rows} rows of ${m.tokens} tokens): ${bytes(m.liveBytes)} in ${n(m.liveBuffers)} buffers, ` +
      `${bytes(m.stepBytes)} of it for the step; memoryLimit: ${limit}`,
    `largest buffer: ${bytes(m.largestBuffer)} (maxBufferSize ${bytes(m.maxBufferSize)}); largest binding: ${bytes(m.largestBinding)} ` +
      `(maxStorageBufferBindingSize ${bytes(m.maxStorageBufferBindingSize)}). WebGPU does not tell how much memory a device has in all.`,
    ...(tuned ? [`kernels: chosen for ${tuned} shapes of products`] : []),
  ].join('\n')
}

/** `59.2 MB` */
export function bytes(value: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB']
  let unit = 0
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000
  return `${unit ? value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0) : value} ${units[unit]}`
}
