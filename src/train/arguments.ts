import * as v from 'valibot'
import { validate } from '../io'

const count = v.pipe(v.number(), v.integer(), v.minValue(0))
const positive = v.pipe(v.number(), v.integer(), v.minValue(1))
const nonNegative = v.pipe(v.number(), v.finite(), v.minValue(0))
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1))
const rhythm = v.picklist(['no', 'steps', 'epoch'])

const schema = v.strictObject({
  /** Folder for checkpoints; without it none are written. */
  outputDir: v.optional(v.pipe(v.string(), v.nonEmpty())),
  numTrainEpochs: v.optional(v.pipe(v.number(), v.finite(), v.gtValue(0)), 3),
  /** Optimizer steps in all; wins over numTrainEpochs. */
  maxSteps: v.optional(positive),
  perDeviceTrainBatchSize: v.optional(positive, 8),
  perDeviceEvalBatchSize: v.optional(positive, 32),
  /** Batches whose gradients make one optimizer step. */
  gradientAccumulationSteps: v.optional(positive, 1),
  /** Of each layer only the input is kept for backward, which runs the layer again: less memory, more time, the same numbers. */
  gradientCheckpointing: v.optional(v.boolean(), false),
  /** Rows of like length in one step: less padding, in an order that is less random. */
  groupByLength: v.optional(v.boolean(), false),
  learningRate: v.optional(nonNegative, 5e-5),
  lrSchedulerType: v.optional(v.picklist(['linear', 'cosine', 'constant', 'constant_with_warmup']), 'linear'),
  /** Share of all steps in which the learning rate rises from 0; warmupSteps wins over it. */
  warmupRatio: v.optional(share, 0),
  warmupSteps: v.optional(count),
  /** Not applied to biases and norms. */
  weightDecay: v.optional(nonNegative, 0),
  adamBeta1: v.optional(share, 0.9),
  adamBeta2: v.optional(share, 0.999),
  adamEpsilon: v.optional(nonNegative, 1e-8),
  /** Global norm that gradients are clipped to; 0: never. */
  maxGradNorm: v.optional(nonNegative, 1),
  /** Most tokens of a row. Default: what model and tokenizer allow. */
  maxLength: v.optional(positive),
  /** Order of the data and dropout. */
  seed: v.optional(count, 42),
  loggingSteps: v.optional(positive, 10),
  evalStrategy: v.optional(rhythm, 'no'),
  /** Default: loggingSteps. */
  evalSteps: v.optional(positive),
  saveStrategy: v.optional(rhythm, 'steps'),
  saveSteps: v.optional(positive, 500),
  /** Keep this many checkpoints; the newest and the best are never deleted. Default: all. */
  saveTotalLimit: v.optional(positive),
  /** Restore what was best in `metricForBestModel` when training ends. */
  loadBestModelAtEnd: v.optional(v.boolean(), false),
  /** E.g. `evalAccuracy`. Default: evalLoss. */
  metricForBestModel: v.optional(v.string(), 'evalLoss'),
  /** Default: true, unless the metric is a loss. */
  greaterIsBetter: v.optional(v.boolean()),
  /** Stop after this many evaluations without a better metric. */
  earlyStoppingPatience: v.optional(positive),
  /** A trained tensor whose gradient is exactly zero after two updates is a notice, not an error. */
  allowZeroGrad: v.optional(v.boolean(), false),
  /** Measures at the start which kernels this device multiplies fastest by, for at most 2 s or 2 % of the run. Default: on GPUs. */
  tune: v.optional(v.boolean()),
  /** Which kernel a product of a shape takes, as an earlier run was told or found (`begin` event, config.json): nothing is measured then. */
  kernels: v.optional(v.record(v.string(), v.string())),
  /** A step (or a batch of an evaluation) that takes longer than this counts as a lost device. */
  stepTimeoutMs: v.optional(v.pipe(positive, v.maxValue(2 ** 31 - 1)), 600_000),
})

/** transformers' TrainingArguments in camelCase; see the comments above each key in `arguments.ts`. */
export type TrainingArguments = v.InferInput<typeof schema>
export type ResolvedArguments = v.InferOutput<typeof schema>

/** Checks arguments and fills in transformers' defaults. @throws TypeError naming the argument, wanted and given */
export function trainingArguments(args: TrainingArguments): ResolvedArguments {
  const full = validate(schema, args, 'training arguments')
  if (full.evalStrategy === 'no' && (full.loadBestModelAtEnd || full.earlyStoppingPatience))
    throw new TypeError('training arguments: loadBestModelAtEnd and earlyStoppingPatience want evalStrategy "steps" or "epoch"')
  return full
}
