import { inColumns } from '../gpu/profile'
import { openSource, readJson } from '../io'
import { encoderConfig, maxTokens } from '../models/config'
import { ModelForSequenceClassification } from '../models/sequence_classification'
import { getPeftModel } from '../peft'
import { bytes } from '../train/forecast'
import { planStep, type StepPlan } from '../train/step_plan'
import { openCliDevice } from './device'
import { UsageError } from './failure'
import { trainerFlags } from './flags'
import type { InfoOptions } from './info'
import { classChoice } from './load'
import { print, speaker } from './say'
import { checkCombinations, peftSettings, pick } from './settings'

/** `condlora info --plan`: a step of the model in `source`, of which the configuration alone is read. */
export async function plan(source: string, options: InfoOptions): Promise<void> {
  const settings = { ...options, model: source }
  checkCombinations({ ...settings, method: settings.method ?? 'condlora' })
  const files = await openSource(source)
  const config = encoderConfig(await readJson(files, 'config.json'), `${files.name}/config.json`, classChoice(settings))
  const most = maxTokens(config)
  const { perDeviceTrainBatchSize: rows = 8, maxLength: tokens = Math.min(128, most) } = options
  if (tokens > most) throw new UsageError(`--max-length: ${source} takes at most ${most} tokens, got ${tokens}`)
  const device = await openCliDevice(options, speaker(options))
  try {
    const model = await getPeftModel(
      new ModelForSequenceClassification(device, config, source, undefined, options.fp16 ? () => 'f16' : undefined),
      peftSettings(settings),
    )
    const step = await planStep(model, pick(trainerFlags, { ...options }), rows, tokens)
    const told = { model: source, adapter: device.adapterName, trained: model.trainableParameters(), ...step }
    print(options.json ? JSON.stringify(told) : text(step, device.adapterName))
  } finally {
    device.destroy()
  }
}

function text(step: StepPlan, adapter: string): string {
  const { rows, tokens, dispatches, pipelines, flops, bytes: moved, memory, kernels } = step
  const all = { op: 'all', dispatches, flops, bytes: moved }
  const cells = (k: typeof all) => [
    ...[k.op, `${k.dispatches}`, (k.flops / 1e6).toFixed(1), ((100 * k.flops) / flops).toFixed(1)],
    ...[(k.bytes / 1e6).toFixed(1), ((100 * k.bytes) / moved).toFixed(1)],
  ]
  return [
    `A step of ${rows} rows of ${tokens} tokens on ${adapter}:`,
    `${dispatches} dispatches of ${pipelines} pipelines, ${(flops / 1e9).toPrecision(3)} GFLOP, ${bytes(moved)} read and written`,
    `memory: ${bytes(memory.model)} for the model, ${bytes(memory.optimizer)} for the optimizer, ${bytes(memory.step)} for the step`,
    '',
    inColumns([['kernel', 'dispatches', 'MFLOP', '%', 'MB', '%'], ...kernels.map(cells), cells(all)]),
  ].join('\n')
}
