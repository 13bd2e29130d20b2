import { Trainer } from '../train'
import { readEvaluationData } from './data'
import { openCheckedDevice } from './device'
import { type Common, computeFlags, dataFlags, type Settings } from './flags'
import { dtypeOf, findSource, loadTrained, type Source } from './load'
import { showProgress } from './progress'
import { print, speaker } from './say'
import { pick } from './settings'

export interface EvaluateOptions extends Common, Omit<Source, 'run'> {
  data?: string
  /** A split of the run's task. */
  on?: string
  perDeviceEvalBatchSize?: number
  maxLength?: number
  [key: string]: unknown
}

const { format, text, textPair, label, labels } = dataFlags
const rowFlags = { format, text, textPair, label, labels }

/** `condlora evaluate` */
export async function evaluate(run: string | undefined, options: EvaluateOptions): Promise<void> {
  const { settings, adapterFolder } = await findSource({ ...options, run })
  // The run says where its own rows are; other rows may have another format.
  const { format: runFormat, ...own } = settings
  const where: Settings = { ...own, format: options.data === undefined ? runFormat : undefined, ...pick(rowFlags, options) }
  const say = speaker(options)
  const { name, rows } = await readEvaluationData(options, where, say)
  const computed = { ...pick(computeFlags, own), ...pick(computeFlags, options) }
  const device = await openCheckedDevice(computed, say)
  try {
    const { model, tokenizer } = await loadTrained(device, settings, adapterFolder, dtypeOf(computed))
    const args = {
      perDeviceEvalBatchSize: options.perDeviceEvalBatchSize ?? own.perDeviceEvalBatchSize,
      maxLength: options.maxLength ?? own.maxLength,
    }
    const trainer = new Trainer({ model, processingClass: tokenizer, evalDataset: rows, args, notice: say })
    const stop = options.quiet ? () => {} : showProgress(trainer, say, { milestones: false })
    const metrics = await trainer.evaluate()
    stop()
    const result = { data: name, rows: rows.rows.length, ...metrics }
    print(options.json ? JSON.stringify(result) : table(result))
  } finally {
    device.destroy()
  }
}

function table(result: Record<string, string | number>): string {
  const width = Math.max(...Object.keys(result).map((key) => key.length))
  const cell = (value: string | number) => (typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(4) : String(value))
  return Object.entries(result)
    .map(([key, value]) => `${key.padEnd(width)}  ${cell(value)}`)
    .join('\n')
}
