// Loaded only where kernels are tuned, or were.
import type { Device } from '../gpu'
import { deviceKey } from '../gpu/identity'
import { type Files, userCache } from '../io'
import { keep, readKept } from '../io/keyed'
import { type Blank, blankOf } from '../ops/gemm_blank'
import { type Job, usual, type Variant } from '../ops/gemm_kernels'
import { fastest } from '../ops/gemm_tune'
import { type Choices, chooserOf, likely, shapeName } from '../ops/gemm_variants'
import type { TrainingProgram } from './program'
import type { Startup } from './startup'

export { chooserOf }

const file = 'tuner.json'
// Products whose sizes are this near are one product to the tuner: half a factor of two.
const near = 0.5
const mostShapes = 512

/** At most 2 s, or 2 % of the steps to come, as well as they are known; who asks for it gets the 2 s. */
export const budgetOf =
  (steps: number, asked: boolean): Tuning['budget'] =>
  (step) =>
    asked ? 2 : Math.min(2, 0.02 * steps * step)

export interface Tuning {
  /** Makes the lists that the run is going to need. */
  record: () => Promise<unknown>
  /** Most seconds that it may take, where a step takes so many. */
  budget: (step: number) => number
  /** Keeps what was found, for each adapter, driver and version. Default: `userCache()`. */
  cache?: Files
  /** Hears how long it measured. */
  startup?: Startup
  /** Hears in a line that nothing better than the usual was found. */
  notice?: false | ((text: string) => void)
}

/** A product of the lists, and how often they have it. */
interface Seen {
  blank: Blank
  usual: Variant
  flops: number
  count: number
}

/**
 * Which variant each product of a run takes: as the cache says, else as is measured now.
 * The program's lists are to be recorded anew.
 * @throws DeviceLostError, and what `record` throws
 */
export async function tune(
  program: Pick<TrainingProgram, 'device' | 'choose'>,
  { record, budget, cache = userCache(), startup, notice }: Tuning,
): Promise<Choices> {
  const { device } = program
  const seen = new Map<string, Seen>()
  program.choose((job) => void note(seen, job))
  try {
    await record()
  } finally {
    program.choose(null)
  }
  const key = deviceKey(device)
  const known = cache ? ((await readKept(cache, file, key, isChoices)) ?? {}) : {}
  const choices: Choices = {}
  const open = new Map<string, Seen>()
  for (const [name, each] of seen) {
    const variant = likely(known, name, near)
    if (variant === undefined) open.set(name, each)
    else choices[name] = variant
  }
  const measure = () => measured(device, open, budget)
  const found = startup ? await startup.tuning(measure) : await measure()
  if (cache && Object.keys(found).length) {
    const { ...others } = known
    for (const name of Object.keys(found)) delete others[name]
    await keep(cache, file, key, Object.fromEntries([...Object.entries(others), ...Object.entries(found)].slice(-mostShapes)))
  }
  const all = { ...choices, ...found }
  const n = Object.keys(all).length
  if (notice && ![...seen].some(([name, each]) => name in all && all[name] !== each.usual))
    notice(
      `tune: nothing better than the usual kernels was found for ${n} shapes of products${n < seen.size ? `; for ${seen.size - n} more there was no time` : ''}`,
    )
  return all
}

const isChoices = (value: unknown): value is Choices =>
  typeof value === 'object' && value !== null && Object.values(value).every((variant) => typeof variant === 'string')

function note(seen: Map<string, Seen>, job: Job): undefined {
  const name = shapeName(job)
  const each = seen.get(name)
  if (each) each.count++
  else seen.set(name, { blank: blankOf(job), usual: usual(job), flops: job.flops, count: 1 })
}

/** The fastest variant of each product, those with most to do first, until the time is over. */
async function measured(device: Device, open: Map<string, Seen>, budget: Tuning['budget']): Promise<Choices> {
  const work = (each: Seen) => each.flops * each.count
  const order = [...open].sort(([, a], [, b]) => work(b) - work(a))
  const all = order.reduce((sum, [, each]) => sum + work(each), 0)
  const begun = performance.now()
  let step = device.pacer.estimate({ flops: all, bytes: 0 })
  const left = () => budget(step) - (performance.now() - begun) / 1000
  const found: Choices = {}
  let done = 0
  let seconds = 0
  for (const [name, each] of order) {
    if (left() <= 0) break
    const usual = (once: number) => {
      done += work(each)
      seconds += once * each.count
      step = (seconds * all) / done
    }
    const variant = await fastest(device, each.blank, { left, usual })
    if (variant !== undefined) found[name] = variant
  }
  return found
}
