// Trainers on the tiny model.
import type { Device } from '../../src/gpu'
import { type Files, memoryFiles } from '../../src/io'
import { type CallablePeftModel, getPeftModel, type PeftConfig } from '../../src/peft'
import { Trainer, type TrainerOptions, type TrainingArguments } from '../../src/train'
import { openTestDevice } from '../harness'
import { loadTiny, miniTokenizer, tinyModel, wordTask } from '../tiny'

// Kernels that were measured are others each time.
export const small: TrainingArguments = {
  tune: false,
  perDeviceTrainBatchSize: 4,
  learningRate: 1e-2,
  maxSteps: 10,
  loggingSteps: 1,
  warmupSteps: 1,
}

export interface Run extends Partial<Omit<TrainerOptions, 'model'>> {
  config?: PeftConfig
  /** In config.json. */
  model?: Record<string, unknown>
  rows?: number
  /** Another base model's files. */
  base?: Files
  device?: Device
}

export async function adapted({ config = { peftType: 'CONDLORA' }, model, device, base }: Run = {}): Promise<CallablePeftModel> {
  const on = device ?? (await openTestDevice())
  return getPeftModel(await (base ? loadTiny(base, on) : tinyModel(on, model)), config)
}

export async function start(run: Run = {}): Promise<Trainer> {
  const { args, config: _, model: __, device: ___, base: ____, rows = 24, ...options } = run
  return new Trainer({
    model: await adapted(run),
    processingClass: await miniTokenizer(),
    trainDataset: wordTask(rows),
    evalDataset: wordTask(30, 9),
    notice: () => {},
    ...options,
    args: { ...small, ...args },
  })
}

export const bytes = async (trainer: Trainer) => [...(await trainer.model.parameters.values.data())]
export const losses = (trainer: Trainer) => trainer.logHistory.filter((e) => 'loss' in e).map((e) => e.loss)

/** Numbers of the checkpoints that a run's folder holds, whole or not. */
export async function checkpoints(files: Files): Promise<number[]> {
  const steps = (await files.list()).map((f) => Number(/^checkpoint-(\d+)\//.exec(f)?.[1] ?? Number.NaN))
  return [...new Set(steps.filter((n) => !Number.isNaN(n)))].sort((a, b) => a - b)
}

/** Memory whose `n`th write (from 0) fails, as on a full disk: nothing of that file is there. */
export function fullDisk(name: string, n: number): Files {
  const files = memoryFiles(name)
  let writes = 0
  return {
    ...files,
    write: async (path, bytes) => {
      if (writes++ !== n) return files.write(path, bytes)
      throw Object.assign(new Error(`cannot write ${name}/${path}: the disk is full`), { code: 'ENOSPC' })
    },
  }
}
