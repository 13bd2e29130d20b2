import { Digest } from '../models/digest'
import type { CallablePeftModel } from '../peft'
import type { ResolvedArguments } from './arguments'
import type { Example } from './examples'

// Those that change which numbers come out. Rhythms of logging, evaluation and saving may differ.
const decisive = [
  'perDeviceTrainBatchSize',
  'gradientAccumulationSteps',
  'groupByLength',
  'learningRate',
  'lrSchedulerType',
  'weightDecay',
  'adamBeta1',
  'adamBeta2',
  'adamEpsilon',
  'maxGradNorm',
  'seed',
] as const

/** What must be the same for a checkpoint to be gone on with, each by the name that the user knows. */
export function fingerprint(
  { base, parameters, peftConfig }: CallablePeftModel,
  args: ResolvedArguments,
  run: { examples: Example[]; maxLength: number; totalSteps: number; warmup: number },
): Record<string, string> {
  const data = new Digest()
  for (const { encoding, label } of run.examples) data.add(Float32Array.from([...encoding.ids, -1, label]))
  const of = (prefix: string, object: object) =>
    Object.entries(object)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]): [string, string] => [`${prefix}${key}`, JSON.stringify(value)])
  return {
    'base weights': base.digest,
    dtype: base.dtype,
    'base parameters': `${base.parameterCount}`,
    ...Object.fromEntries(of('base config: ', base.config)),
    'trained parameters': `${parameters.count}`,
    // Where the base was found may change, and what loads of it is told by the weights.
    ...Object.fromEntries(of('adapter config: ', { ...peftConfig, baseModelNameOrPath: null, baseDigest: undefined })),
    'data rows': `${run.examples.length}`,
    data: data.hex,
    maxLength: `${run.maxLength}`,
    steps: `${run.totalSteps}`,
    'warm-up steps': `${run.warmup}`,
    ...Object.fromEntries(of('', Object.fromEntries(decisive.map((key) => [key, args[key]])))),
  }
}
