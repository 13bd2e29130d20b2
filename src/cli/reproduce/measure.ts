import { AutoTokenizer } from '../../data'
import { Trainer } from '../../train'
import type { TaskData } from '../data'
import { openCheckedDevice } from '../device'
import { trainerSettings } from '../settings'
import { adaptedModel, withClasses } from '../train_run'
import { type PlannedRun, runSettings } from './plan'

/** Of one method on one task, on this machine. */
export interface Pace {
  /** Seconds until the first step. */
  start: number
  /** Rows a second. */
  trained: number
  evaluated: number
  /** Rows that are looked at once before the first step, as the frozen part gives the head the same at every step. */
  features: boolean
}

// A batch of a new length is recorded first: the steps in the middle are those that tell.
const steps = 8
const evaluatedRows = 64

/** Trains a few steps of a run and evaluates a few rows, without a trace. */
export async function measure(run: PlannedRun, data: TaskData, say: (line: string) => void): Promise<Pace> {
  const settings = withClasses(runSettings(run, 1e-5), data)
  const rows = 'rows' in data.train ? data.train.rows : []
  const begun = performance.now()
  const tokenizer = await AutoTokenizer.fromPretrained(settings.model as string)
  const device = await openCheckedDevice(settings, say)
  try {
    const args = trainerSettings(settings, rows.length, false)
    const perStep = (args.perDeviceTrainBatchSize ?? 8) * (args.gradientAccumulationSteps ?? 1)
    const trainer = new Trainer({
      model: await adaptedModel(device, { settings, say }),
      processingClass: tokenizer,
      trainDataset: { ...data.train, rows: rows.slice(0, steps * perStep) },
      evalDataset: data.validation && { ...data.validation, rows: data.validation.rows.slice(0, evaluatedRows) },
      args: {
        ...args,
        outputDir: undefined,
        maxSteps: steps,
        loggingSteps: 1,
        evalStrategy: 'no',
        saveStrategy: 'no',
        loadBestModelAtEnd: false,
        earlyStoppingPatience: undefined,
      },
      notice: () => {},
    })
    let features = false
    let start = 0
    const paces: number[] = []
    trainer.on('progress', ({ task }) => {
      features ||= task === 'features'
    })
    trainer.on('begin', () => {
      start = (performance.now() - begun) / 1000
    })
    trainer.on('log', ({ samplesPerSecond }) => paces.push(samplesPerSecond))
    await trainer.train()
    await trainer.evaluate()
    const { evalSamplesPerSecond } = await trainer.evaluate()
    trainer.dispose()
    return { start, trained: paces.sort((a, b) => a - b)[paces.length >> 1], evaluated: evalSamplesPerSecond, features }
  } finally {
    device.destroy()
  }
}

/** Seconds for a run; `test` rows come at its end. */
export function forecast({ cost, kind }: PlannedRun, pace: Pace, { train, test }: { train: number; test: number }): number {
  const evaluated = cost.evaluated + (pace.features ? train : 0) + (kind === 'seed' ? test : 0)
  return pace.start + cost.trained / pace.trained + evaluated / pace.evaluated
}
