import { asError, type Device, DeviceLostError } from '../gpu'
import { keepAlive } from '../gpu/platform.node'
import { takesHalf } from '../gpu/wgsl'
import { type Result, runCases } from './bench'
import { type Case, Random, type Slot } from './check'
import { allSubjects, type Subject } from './subjects'

/** Largest relative error that counts as right: f32 against float64. */
export const tolerance = 1e-5

/** What was found of one form of one kernel. */
export interface KernelResult {
  /** File and form, e.g. `softmax.wgsl LANES=1 … BACKWARD=true`. */
  name: string
  file: string
  ok: boolean
  /** Largest ‖got − wanted‖ / ‖wanted‖ of a result; undefined where the kernel did not run. */
  error?: number
  /** Why it is not ok. */
  problem?: string
  /** Why it was not run; it counts as ok. */
  skipped?: string
}

/** Which kernels `doctor` checks. */
export interface DoctorOptions {
  /** Default: every form of every kernel. */
  subjects?: Subject[]
  /** Called after each kernel. */
  progress?: (done: number, of: number) => void
}

/**
 * Checks kernels on odd shapes against float64 on the CPU, each by itself, so that a wrong one is the one named.
 * @throws DeviceLostError
 */
export async function doctor(device: Device, options: DoctorOptions = {}): Promise<KernelResult[]> {
  const { subjects = allSubjects(device), progress } = options
  let done = 0
  const one = async (subject: Subject) => {
    const result = subject.skip ? { ...named(subject), ok: true, skipped: subject.skip } : await examine(device, subject)
    progress?.(++done, subjects.length)
    return result
  }
  return keepAlive(Promise.all(subjects.map(one)))
}

const named = ({ name, file }: Subject) => ({ name, file })

async function examine(device: Device, subject: Subject): Promise<KernelResult> {
  const { name, shader, entry, constants, check } = subject
  try {
    const kernel = device.kernels.get(name, shader, entry, constants)
    const cases = check.cases(constants ?? {}, new Random(takesHalf(constants)))
    const error = worst(cases, await runCases(device, kernel, cases))
    return { ...named(subject), ok: error <= tolerance, error, ...(error <= tolerance ? {} : { problem: complaint(error) }) }
  } catch (thrown) {
    if (thrown instanceof DeviceLostError) throw thrown
    return { ...named(subject), ok: false, problem: asError(thrown).message }
  }
}

function complaint(error: number): string {
  if (Number.isNaN(error)) return 'a result is not finite'
  return error === Number.POSITIVE_INFINITY ? 'it wrote where it must not' : `relative error ${error.toPrecision(3)}, at most ${tolerance}`
}

/** The largest error of all results. NaN is worse than any number. */
function worst(cases: Case[], results: Result[][]): number {
  let most = 0
  cases.forEach(({ slots, each = false }, i) => {
    slots
      .filter((slot) => slot.after)
      .forEach((slot, j) => {
        const error = distance(slot, results[i][j], each)
        if (!(error <= most)) most = Number.isNaN(most) ? most : error
      })
  })
  return most
}

/** Of half floats what is beyond one place: WGSL may round either way. */
function distance({ before, after = new Float64Array() }: Slot, { got, half }: Result, each: boolean): number {
  let [difference, size, most] = [0, 0, 0]
  for (let i = 0; i < after.length; i++) {
    const wanted = after[i]
    if (Number.isNaN(wanted)) {
      if (got[i] !== before[i]) return Number.POSITIVE_INFINITY
      continue
    }
    const off = half ? Math.max(0, Math.abs(got[i] - wanted) - halfPlace(wanted)) : Math.abs(got[i] - wanted)
    if (!Number.isFinite(got[i])) return Number.NaN
    difference += off ** 2
    size += wanted ** 2
    most = Math.max(most, off / Math.max(Math.abs(wanted), 1e-3))
  }
  if (each) return most
  return Math.sqrt(size === 0 ? difference : difference / size)
}

/** What the last bit of a half float near x is worth. */
const halfPlace = (x: number) => 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(x)))) - 10)
