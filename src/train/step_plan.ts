import type { Recording } from '../gpu'
import type { EncoderConfig } from '../models/config'
import type { CallablePeftModel } from '../peft'
import { type TrainingArguments, trainingArguments } from './arguments'
import { Engine } from './engine'
import { type HostBatch, hostBatch } from './examples'

/** What dispatches do, as their ops state it. */
export interface Work {
  dispatches: number
  /** Operations on floats. */
  flops: number
  /** Read and written. */
  bytes: number
}

/** A training step, told before it runs. */
export interface StepPlan extends Work {
  rows: number
  tokens: number
  /** Kernels that are compiled for it. */
  pipelines: number
  /** Bytes on the device: the model with its adapter, the optimizer's, and what the step's lists take. */
  memory: { model: number; optimizer: number; step: number }
  /** By op, the most operations first. */
  kernels: ({ op: string } & Work)[]
}

/** Records a step of one batch of `rows` rows of `tokens` tokens, and runs nothing. @throws OutOfMemoryError */
export async function planStep(model: CallablePeftModel, args: TrainingArguments, rows: number, tokens: number): Promise<StepPlan> {
  const { device, base } = model
  const live = () => device.memory.stats.liveBytes
  const [compiledBefore, modelBytes] = [device.kernels.compiled, live()]
  const engine = new Engine(model, trainingArguments(args))
  try {
    const optimizer = live() - modelBytes
    const kernels = byOp(await engine.program.plan('first', evenBatch(base.config, rows, tokens)))
    return {
      ...{ rows, tokens, pipelines: device.kernels.compiled - compiledBefore },
      ...kernels.reduce(sumOf, { dispatches: 0, flops: 0, bytes: 0 }),
      memory: { model: modelBytes, optimizer, step: live() - modelBytes - optimizer },
      kernels,
    }
  } finally {
    engine.dispose()
  }
}

/** Rows of one length, of one token. */
export function evenBatch(config: EncoderConfig, rows: number, tokens: number): HostBatch {
  const { padTokenId } = config
  const ids = Array<number>(tokens).fill(padTokenId + 1)
  const encoding = { ids, mask: ids.map(() => 1), typeIds: ids.map(() => 0), truncated: false }
  const examples = Array.from({ length: rows }, () => ({ encoding, label: 0 }))
  return hostBatch(examples, config, padTokenId, tokens)
}

function byOp(lists: Recording[]): StepPlan['kernels'] {
  const kernels = new Map<string, { op: string } & Work>()
  for (const { op, flops, bytes } of lists.flatMap((list) => list.commands))
    kernels.set(op, { op, ...sumOf(kernels.get(op) ?? { dispatches: 0, flops: 0, bytes: 0 }, { dispatches: 1, flops, bytes }) })
  return [...kernels.values()].sort((a, b) => b.flops - a.flops)
}

const sumOf = (a: Work, b: Work): Work => ({
  dispatches: a.dispatches + b.dispatches,
  flops: a.flops + b.flops,
  bytes: a.bytes + b.bytes,
})
