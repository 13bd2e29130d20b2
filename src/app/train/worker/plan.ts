import type { PeftConfig } from '../../../peft'
import type { TrainingArguments } from '../../../train'
import type { Settings } from '../protocol'

const between = (least: number, value: number, most: number) => Math.min(most, Math.max(least, Math.round(value)))

/**
 * The Trainer's arguments for so many rows to train on and to evaluate on, in batches of `batch`: a part of the settings' own, the
 * steps stay as large.
 */
export function trainingArguments(settings: Settings, rows: { train: number; validation: number }, batch: number): TrainingArguments {
  const { numTrainEpochs, learningRate, perDeviceTrainBatchSize, maxLength, seed, earlyStoppingPatience } = settings
  const steps = Math.max(1, Math.ceil(numTrainEpochs * Math.ceil(rows.train / perDeviceTrainBatchSize)))
  return {
    numTrainEpochs,
    learningRate,
    perDeviceTrainBatchSize: batch,
    gradientAccumulationSteps: perDeviceTrainBatchSize / batch,
    perDeviceEvalBatchSize: batch,
    maxLength,
    seed,
    warmupRatio: 0.1,
    // Numbers are read back seldom: on some browsers a reading takes as long as many steps.
    loggingSteps: between(1, steps / 100, 10),
    evalStrategy: 'steps',
    evalSteps: evaluateEvery(steps, rows.validation / perDeviceTrainBatchSize),
    saveStrategy: 'steps',
    saveSteps: between(1, steps / 20, 25),
    saveTotalLimit: 1,
    loadBestModelAtEnd: true,
    ...(earlyStoppingPatience > 0 ? { earlyStoppingPatience } : {}),
  }
}

/**
 * Up to twelve evaluations a run, the last one as near to its end as can be, none of more rows than were trained on since the one
 * before: `rhythm` is how many steps have as many.
 */
export function evaluateEvery(steps: number, rhythm: number): number {
  const least = Math.min(steps, Math.ceil(Math.max(1, steps / 12, rhythm)))
  const most = Math.min(steps, Math.floor(1.5 * least))
  let best = least
  for (let every = least; every <= most; every++) if (steps % every < steps % best) best = every
  return best
}

/** The largest part of a batch that is at most `wanted` rows and leaves none over. */
export function partOf(batch: number, wanted: number): number {
  let part = Math.max(1, Math.min(batch, Math.floor(wanted)))
  while (batch % part) part--
  return part
}

const peftTypes = { head: 'HEAD', lora: 'LORA', condlora: 'CONDLORA' } as const

export function adapterConfig({ method, r, loraAlpha }: Settings, baseModelNameOrPath: string): PeftConfig {
  const peftType = peftTypes[method]
  return { peftType, baseModelNameOrPath, ...(method === 'head' ? {} : { r, loraAlpha }) }
}
