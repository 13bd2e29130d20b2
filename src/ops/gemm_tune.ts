import { type Device, DeviceLostError, type Recording } from '../gpu'
import type { Kernel } from '../gpu/pipelines'
import { elementwise, Tensor } from '../graph'
import { gemm } from './gemm'
import { type Blank, filled } from './gemm_blank'
import { choosing, jobOf, launch, type Variant } from './gemm_kernels'
import type { Matrix, Part } from './gemm_operands'
import { variants } from './gemm_variants'
import { reduceAll } from './sum'

/** How much time there is. */
export interface Budget {
  /** Seconds left. */
  left(): number
  /** What times variants, in ms. Default: performance.now. */
  clock?(): number
  /** Hears what the product takes as it is. */
  usual?(seconds: number): void
}

// Faster than the usual one by this: a run's bits do not change for the clock's noise.
const clearly = 0.95
// Two right variants differ by their roundings alone: where C is f16 few numbers round to the other side.
const toleranceOf = ({ dtype }: Tensor) => (dtype === 'f16' ? 2e-4 : 2e-5)
// What is timed at once: long beside the wait for the device, short beside the budget.
const lapSeconds = 0.003

/** The budget ended. */
class OutOfTime extends Error {}

/**
 * Measures the variants of a product on numbers of its own, and gives the fastest whose result is that of the usual one; the usual one
 * where no other is clearly faster. What was compiled for the others is forgotten.
 * @returns undefined where the budget ended first, or there is no memory for it
 * @throws DeviceLostError
 */
export async function fastest(device: Device, blank: Blank, budget: Budget): Promise<Variant | undefined> {
  const before = new Set(device.kernels.all)
  const { afterRecord, pacer } = device
  const { timer } = pacer
  // What no run will take need not be right, and is no part of a profile.
  device.afterRecord = null
  pacer.timer = null
  let trial: Trial | undefined
  let chosen: Variant | undefined
  try {
    look(budget)
    trial = new Trial(device, blank, budget)
    for (const name of await trial.measure()) {
      const right = await trial.isRight(name)
      device.kernels.keepOnly(new Set([...before, ...trial.kernelsOf(name)]))
      if (name !== trial.usual) {
        if (!right) continue
        look(budget)
        if (!(await passes(afterRecord))) continue
      }
      chosen = name
      break
    }
  } catch (thrown) {
    if (thrown instanceof DeviceLostError) throw thrown
  } finally {
    if (!chosen) device.kernels.keepOnly(before)
    trial?.dispose()
    device.afterRecord = afterRecord
    pacer.timer = timer
  }
  return chosen
}

/** Before anything that takes long. */
function look(budget: Budget): void {
  if (budget.left() <= 0) throw new OutOfTime()
}

/** Whether the check of what is recorded finds no fault. */
async function passes(check: Device['afterRecord']): Promise<boolean> {
  try {
    await check?.()
    return true
  } catch (thrown) {
    if (thrown instanceof DeviceLostError) throw thrown
    return false
  }
}

/** One product and its variants. */
class Trial {
  readonly #names: Variant[]
  readonly #part: Part
  readonly #tensors: Tensor[]
  readonly #lists = new Map<Variant, Recording>()

  constructor(
    private readonly device: Device,
    blank: Blank,
    private readonly budget: Budget,
  ) {
    const { part, tensors } = filled(device, blank)
    this.#part = part
    this.#tensors = tensors
    this.#names = variants(jobOf(part))
  }

  get usual(): Variant {
    return this.#names[0]
  }

  /**
   * The variants that are clearly faster than the usual one, the fastest first, and then that one.
   * @throws OutOfTime at most a lap late, as all below
   */
  async measure(): Promise<Variant[]> {
    const [usual, ...others] = this.#names
    const { repeats, seconds } = await this.#laps(usual)
    this.budget.usual?.(seconds)
    const times = new Map<Variant, number>()
    for (const name of [usual, ...(await this.#compiled(others))]) {
      const time = await this.#time(name, repeats, 2 * Math.min(...times.values()))
      if (time !== undefined) times.set(name, time)
    }
    const limit = clearly * (times.get(usual) ?? 0)
    const faster = [...times].filter(([, time]) => time < limit).sort(([, a], [, b]) => a - b)
    return [...faster.map(([name]) => name), usual]
  }

  kernelsOf(name: Variant): Kernel[] {
    return (this.#lists.get(name)?.commands ?? []).map((c) => c.kernel)
  }

  /** Whether a variant gives the usual one's numbers. */
  async isRight(name: Variant): Promise<boolean> {
    const { device, usual, budget } = this
    if (name === usual) return true
    look(budget)
    const c = this.#part.c.tensor
    const [wanted, off] = [0, 1].map(() => Tensor.empty(device, c.shape, 'tune'))
    const square = async (x: Tensor) => {
      const squares = elementwise('tune', 'mul', Tensor.empty(device, c.shape, 'tune'), [x, x])
      const total = reduceAll('tune', squares, 1)
      squares.dispose()
      return total.item().finally(() => total.dispose())
    }
    try {
      this.#once(usual)
      this.#take(wanted)
      this.#take(off, { alpha: -1 })
      await device.sync()
      look(budget)
      this.#once(name)
      this.#take(off, { accumulate: true })
      const [error, size] = [await square(off), await square(wanted)]
      return error <= toleranceOf(c) ** 2 * size
    } finally {
      wanted.dispose()
      off.dispose()
    }
  }

  dispose(): void {
    for (const list of this.#lists.values()) list.dispose()
    for (const tensor of this.#tensors) tensor.dispose()
  }

  /** How often the product is to be done at once, and the seconds of one. */
  async #laps(name: Variant): Promise<{ repeats: number; seconds: number }> {
    const take = async (count: number) => {
      const list = await this.#record(name, count)
      await this.#lap(list)
      const seconds = Math.min(await this.#lap(list), await this.#lap(list))
      list.dispose()
      return seconds
    }
    const one = await take(1)
    if (one >= lapSeconds) return { repeats: 1, seconds: one }
    // A short one mostly waits for the device: the difference tells what the product takes.
    const seconds = Math.max(1e-7, (await take(17)) - one) / 16
    return { repeats: Math.min(256, Math.ceil(lapSeconds / seconds)), seconds }
  }

  /** Median seconds of a variant's laps; undefined where it cannot run here, or takes longer than `most`. */
  async #time(name: Variant, repeats: number, most: number): Promise<number | undefined> {
    try {
      const list = await this.#record(name, repeats)
      this.#lists.set(name, list)
      await this.#lap(list)
      const times = [await this.#lap(list)]
      while (times[0] <= most && times.length < 3) times.push(await this.#lap(list))
      return times.sort((a, b) => a - b)[times.length >> 1]
    } catch (thrown) {
      if (thrown instanceof DeviceLostError || thrown instanceof OutOfTime) throw thrown
      return undefined
    }
  }

  async #lap(list: Recording): Promise<number> {
    look(this.budget)
    const now = this.budget.clock ?? (() => performance.now())
    const start = now()
    await list.replay()
    await list.device.sync()
    return (now() - start) / 1000
  }

  /** Those of the variants whose kernels are compiled, all at the same time, before the budget ends. */
  async #compiled(names: Variant[]): Promise<Variant[]> {
    look(this.budget)
    const ready = new Set<Variant>()
    const all = names.map(async (name) => {
      await Promise.all((await this.#kernels(name)).map((kernel) => kernel.pipeline))
      ready.add(name)
    })
    let timer: ReturnType<typeof setTimeout> | undefined
    const end = new Promise((resolve) => {
      timer = setTimeout(resolve, Math.min(2 ** 31 - 1, 1000 * Math.max(0, this.budget.left())))
    })
    await Promise.race([Promise.allSettled(all), end])
    clearTimeout(timer)
    return names.filter((name) => ready.has(name))
  }

  /** What a variant would dispatch: a list that is given up before it gets memory. */
  async #kernels(name: Variant): Promise<Kernel[]> {
    let kernels: Kernel[] = []
    const enough = new Error()
    const look = () => {
      this.#dispatch(name)
      kernels = (this.device.recording as Recording).commands.map((c) => c.kernel)
      throw enough
    }
    await this.device
      .record('tune', look, () => [])
      .catch((thrown) => {
        if (thrown !== enough) throw thrown
      })
    return kernels
  }

  async #record(name: Variant, repeats: number): Promise<Recording> {
    look(this.budget)
    const body = () => {
      for (let i = 0; i < repeats; i++) this.#dispatch(name)
    }
    return (await this.device.record(`tune ${name}`, body, () => [])).recording
  }

  /** out = C, C of any dtype and out f32, by a product. */
  #take(out: Tensor, how: { alpha?: number; accumulate?: boolean } = {}): void {
    const one = Tensor.from(this.device, [1])
    const column = (tensor: Tensor): Matrix => ({ tensor, rowStride: 1 })
    gemm({ op: 'tune', a: column(this.#part.c.tensor), b: column(one), c: column(out), m: out.size, n: 1, k: 1, ...how })
    one.dispose()
  }

  /** Into a C of zeros, whatever its dtype. */
  #once(name: Variant): void {
    const { device, storage } = this.#part.c.tensor
    elementwise('tune', 'fill', new Tensor(device, storage, [storage.size / 4]), [], 0)
    this.#dispatch(name)
  }

  #dispatch(name: Variant): void {
    choosing(
      () => name,
      () => launch(this.#part),
    )
  }
}
