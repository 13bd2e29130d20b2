import { type Case, type Job, kindOf, type Maker, type Participant, type Work } from './case'
import { counts } from './meter'
import { checkedSteps } from './model'

export interface Measured {
  /** Milliseconds of a call, start to end: median, least, most. */
  ms: number
  low: number
  high: number
  calls: number
  /** Processor milliseconds of a call over all threads of the process. */
  cpuMs?: number
  /** The first call, compilation included. */
  firstMs: number
  /** When that had ended, in ms since 1970. */
  firstDone: number
  /** Relative error against float64. */
  error: number
  dispatches: number
  submits: number
  /** Since the participant opened its device. */
  pipelines: number
  /** Milliseconds in which pipelines were being compiled, as far as they were asked for asynchronously. */
  compileMs: number
  /** Most bytes of buffers that were alive at once. */
  bufferBytes: number
  /** Which kernels its products took, where it tells. */
  variant?: string
}

/** What came of a row: it was measured, computed wrong, would take too long, or could not be run. */
export type Outcome =
  | { status: 'ok'; measured: Measured }
  | { status: 'wrong'; error: number }
  | { status: 'left out'; seconds: number }
  | { status: 'failed'; message: string }

export interface Effort {
  /** Stop timing after this many milliseconds of calls, and after `most` calls. */
  budgetMs: number
  most: number
  /** Processor time so far, in ms, where it can be told. */
  cpu?: () => number
  /** Asked between calls: true ends the row. */
  stopped?: () => boolean
  /** Called between calls: gives a page its turn. */
  breathe?: () => Promise<void>
  /** For a test of this: one number of each result is spoiled. */
  wrong?: boolean
}

/** Prepares, warms up, checks against float64, then times calls one by one until the device is done with each. */
export async function measure(row: Case, participant: Participant, effort: Effort): Promise<Outcome> {
  const kind = kindOf(row.work)
  const maker = participant.jobs[kind] as Maker<Work['kind']> | undefined
  if (!maker) return { status: 'failed', message: `has no ${kind}` }
  let job: Job | undefined
  try {
    job = await maker(row.work as never)
    return await time(row, job, participant, effort)
  } catch (thrown) {
    return { status: 'failed', message: messageOf(thrown) }
  } finally {
    job?.dispose?.()
  }
}

async function time(row: Case, job: Job, participant: Participant, effort: Effort): Promise<Outcome> {
  counts.peakBytes = counts.liveBytes
  const call = async () => {
    const [start, cpu] = [performance.now(), effort.cpu?.() ?? 0]
    await job.run()
    const handedOver = performance.now() - start
    await participant.finish()
    return { ms: row.untilHandedOver ? handedOver : performance.now() - start, cpuMs: (effort.cpu?.() ?? 0) - cpu }
  }
  const { ms: firstMs } = await call()
  const firstDone = Date.now()
  // Training is checked after its second step, which counts as a warm one.
  const timed: Awaited<ReturnType<typeof call>>[] = []
  if (row.work.kind === 'train') for (let i = 1; i < checkedSteps; i++) timed.push(await call())
  const output = await job.read()
  if (effort.wrong) output[0][output[0].length >> 1] += 10
  const error = await row.error(output)
  if (!(error <= row.limit)) return { status: 'wrong', error }

  const before = { ...counts }
  let spent = timed.reduce((sum, { ms }) => sum + ms, 0)
  let counted = 0
  const enough = () => (row.calls ? timed.length >= row.calls : timed.length >= effort.most || spent + firstMs / 2 >= effort.budgetMs)
  while (counted === 0 || !enough()) {
    await effort.breathe?.()
    if (effort.stopped?.()) throw new Error('stopped')
    const one = await call()
    counted++
    timed.push(one)
    spent += one.ms
  }
  const per = (key: 'dispatches' | 'submits') => Math.round((counts[key] - before[key]) / counted)
  const sorted = timed.map((t) => t.ms).sort((a, b) => a - b)
  return {
    status: 'ok',
    measured: {
      ms: median(sorted),
      low: sorted[0],
      high: sorted[sorted.length - 1],
      calls: timed.length,
      cpuMs: effort.cpu && median(timed.map((t) => t.cpuMs).sort((a, b) => a - b)),
      firstMs,
      firstDone,
      error,
      dispatches: per('dispatches'),
      submits: per('submits'),
      pipelines: counts.pipelines,
      compileMs: counts.compileMs,
      bufferBytes: counts.peakBytes,
      variant: job.variant,
    },
  }
}

function median(sorted: number[]): number {
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The first line of what was thrown, whatever it is. */
export function messageOf(thrown: unknown): string {
  const text = (thrown as { message?: unknown } | null)?.message ?? thrown
  return String(text).split('\n')[0].slice(0, 300)
}

/** The row's figure in its unit: a rate where higher is better, else a time. */
export function figure({ better, amount, unit }: Pick<Case, 'better' | 'amount' | 'unit'>, ms: number): number {
  if (better === 'higher') return amount / (ms / 1000)
  return (unit === 'µs' ? ms * 1000 : ms) / amount
}
