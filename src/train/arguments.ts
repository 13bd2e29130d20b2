import * as z from 'zod/mini'
import { validate } from '../io'

const count = z.int().check(z.gte(0))
const positive = z.int().check(z.positive())
const nonNegative = z.number().check(z.gte(0))
const share = z.number().check(z.gte(0), z.lte(1))
const rhythm = z.enum(['no', 'steps', 'epoch'])

const schema = z.strictObject({
  /** Folder for checkpoints; without it none are written. */
  outputDir: z.optional(z.string().check(z.minLength(1))),
  numTrainEpochs: z._default(z.number().check(z.positive()), 3),
  /** Optimizer steps in all; wins over numTrainEpochs. */
  maxSteps: z.optional(positive),
  perDeviceTrainBatchSize: z._default(positive, 8),
  perDeviceEvalBatchSize: z._default(positive, 32),
  /** Batches whose gradients make one optimizer step. */
  gradientAccumulationSteps: z._default(positive, 1),
  /** Rows of like length in one step: less padding, in an order that is less random. */
  groupByLength: z._default(z.boolean(), false),
  learningRate: z._default(nonNegative, 5e-5),
  lrSchedulerType: z._default(z.enum(['linear', 'cosine', 'constant', 'constant_with_warmup']), 'linear'),
  /** Share of all steps in which the learning rate rises from 0; warmupSteps wins over it. */
  warmupRatio: z._default(share, 0),
  warmupSteps: z.optional(count),
  /** Not applied to biases and norms. */
  weightDecay: z._default(nonNegative, 0),
  adamBeta1: z._default(share, 0.9),
  adamBeta2: z._default(share, 0.999),
  adamEpsilon: z._default(nonNegative, 1e-8),
  /** Global norm that gradients are clipped to; 0: never. */
  maxGradNorm: z._default(nonNegative, 1),
  /** Most tokens of a row. Default: what model and tokenizer allow. */
  maxLength: z.optional(positive),
  /** Order of the data and dropout. */
  seed: z._default(count, 42),
  loggingSteps: z._default(positive, 10),
  evalStrategy: z._default(rhythm, 'no'),
  /** Default: loggingSteps. */
  evalSteps: z.optional(positive),
  saveStrategy: z._default(rhythm, 'steps'),
  saveSteps: z._default(positive, 500),
  /** Keep this many checkpoints; the newest and the best are never deleted. Default: all. */
  saveTotalLimit: z.optional(positive),
  /** Restore what was best in `metricForBestModel` when training ends. */
  loadBestModelAtEnd: z._default(z.boolean(), false),
  /** E.g. `evalAccuracy`. Default: evalLoss. */
  metricForBestModel: z._default(z.string(), 'evalLoss'),
  /** Default: true, unless the metric is a loss. */
  greaterIsBetter: z.optional(z.boolean()),
  /** Stop after this many evaluations without a better metric. */
  earlyStoppingPatience: z.optional(positive),
  /** A trained tensor whose gradient is exactly zero after two updates is a notice, not an error. */
  allowZeroGrad: z._default(z.boolean(), false),
  /** A step (or a batch of an evaluation) that takes longer than this counts as a lost device. */
  stepTimeoutMs: z._default(positive.check(z.lte(2 ** 31 - 1)), 600_000),
})

/** transformers' TrainingArguments in camelCase; see the comments above each key in `arguments.ts`. */
export type TrainingArguments = z.input<typeof schema>
export type ResolvedArguments = z.output<typeof schema>

/** Checks arguments and fills in transformers' defaults. @throws TypeError naming the argument, wanted and given */
export function trainingArguments(args: TrainingArguments): ResolvedArguments {
  const full = validate(schema, args, 'training arguments')
  if (full.evalStrategy === 'no' && (full.loadBestModelAtEnd || full.earlyStoppingPatience))
    throw new TypeError('training arguments: loadBestModelAtEnd and earlyStoppingPatience want evalStrategy "steps" or "epoch"')
  return full
}
