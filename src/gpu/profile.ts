import type { Launch } from './commands'

/** What the dispatches of one op took in all. */
export interface KernelTime {
  /** As errors name it, e.g. `linear.dx`. */
  op: string
  dispatches: number
  seconds: number
  /** Of all seconds that were asked for, 0 to 1. */
  share: number
  /** By the operations that the op states; 0 where it states none. */
  flopsPerSecond: number
  /** By the bytes that the op states: read or written, each counted once, however often caches miss. */
  bytesPerSecond: number
}

interface Sum {
  list: string
  op: string
  dispatches: number
  seconds: number
  flops: number
  bytes: number
}

/** A slice of a Chrome trace; times in µs. */
interface TraceEvent {
  name: string
  ph: 'X' | 'M'
  ts?: number
  dur?: number
  pid: 1
  tid: number
  args: Record<string, unknown>
}

// About 10 MB of trace.
const mostEvents = 60_000

/** Chooses lists of dispatches by their names: a recording's (several with ` + ` between), or the first and last op of eager work. */
export type ListFilter = (list: string) => boolean

const all: ListFilter = () => true

/** Times of kernels, by the GPU's own clock. */
export class Profile {
  readonly #sums = new Map<string, Sum>()
  readonly #events: TraceEvent[] = []
  #first: bigint | null = null
  /** Steps that the clock goes in, as far as seen, in ns. */
  #resolution = 0
  /** Dispatches that were timed but are not in the trace, which keeps the first 60,000. */
  leftOut = 0

  constructor(readonly adapterName: string) {}

  /** Steps in which the clock was seen to go, in seconds: what is shorter says little alone. */
  get resolution(): number {
    return this.#resolution / 1e9
  }

  /** Adds a submit's dispatches; `times` holds begin and end of each, in ns. */
  add(list: string, launches: readonly Launch[], times: BigUint64Array): void {
    this.#first ??= times[0]
    const first = this.#first
    const at = Array.from(times, (time) => Number(time - first))
    for (const time of at) this.#resolution = gcd(Math.abs(time), this.#resolution)
    this.#trace(0, list, at[0], Math.max(...at.filter((_, i) => i % 2)), { dispatches: launches.length })
    launches.forEach((launch, i) => this.#addLaunch(list, launch, at[2 * i], Math.max(at[2 * i], at[2 * i + 1])))
  }

  /** A line for each op, the longest first. */
  kernels(of: ListFilter = all): KernelTime[] {
    const byOp = new Map<string, Sum>()
    let total = 0
    for (const each of this.#sums.values()) {
      if (!of(each.list)) continue
      total += each.seconds
      byOp.set(each.op, sumOf(byOp.get(each.op), each))
    }
    const rate = (amount: number, seconds: number) => (seconds > 0 ? amount / seconds : 0)
    return [...byOp.values()]
      .map(({ op, dispatches, seconds, flops, bytes }) => ({
        ...{ op, dispatches, seconds, share: rate(seconds, total) },
        ...{ flopsPerSecond: rate(flops, seconds), bytesPerSecond: rate(bytes, seconds) },
      }))
      .sort((a, b) => b.seconds - a.seconds)
  }

  /** The kernels as a table. `times`: how often the lists ran; columns are for one of them. */
  table(of: ListFilter = all, times = 1): string {
    const kernels = this.kernels(of)
    const sum = (key: 'dispatches' | 'seconds') => kernels.reduce((n, k) => n + k[key], 0)
    const cells = (k: KernelTime) => [
      ...[k.op, (k.dispatches / times).toFixed(times === 1 ? 0 : 1), ((1e3 * k.seconds) / times).toFixed(3)],
      ...[(100 * k.share).toFixed(1), shown(k.flopsPerSecond / 1e9), shown(k.bytesPerSecond / 1e9)],
    ]
    const total = { op: 'all', dispatches: sum('dispatches'), seconds: sum('seconds'), share: 1, flopsPerSecond: 0, bytesPerSecond: 0 }
    const text = inColumns([['kernel', 'dispatches', 'ms', '%', 'GFLOP/s', 'GB/s'], ...kernels.map(cells), cells(total)])
    if (this.resolution < 1e-5) return text
    return `${text}\nThe clock goes in steps of ${(1e6 * this.resolution).toFixed(1)} µs here: times of short kernels are rough.`
  }

  /** A Chrome trace, for chrome://tracing or Perfetto: a row of submits, a row of dispatches. */
  trace(): { displayTimeUnit: 'ms'; traceEvents: TraceEvent[]; otherData: Record<string, unknown> } {
    const name = (kind: string, tid: number, text: string): TraceEvent => ({ name: kind, ph: 'M', pid: 1, tid, args: { name: text } })
    const names = [name('process_name', 0, this.adapterName), name('thread_name', 0, 'submits'), name('thread_name', 1, 'kernels')]
    const otherData = { adapter: this.adapterName, clockResolutionNs: this.#resolution, dispatchesLeftOut: this.leftOut }
    return { displayTimeUnit: 'ms', traceEvents: [...names, ...this.#events], otherData }
  }

  #addLaunch(list: string, { op, cost, grid }: Launch, begin: number, end: number): void {
    const key = `${list}\n${op}`
    this.#sums.set(key, sumOf(this.#sums.get(key), { list, op, dispatches: 1, seconds: (end - begin) / 1e9, ...cost }))
    this.#trace(1, op, begin, end, { ...cost, workgroups: grid[0] * grid[1] * grid[2] })
  }

  #trace(tid: number, name: string, begin: number, end: number, args: Record<string, number>): void {
    if (this.#events.length < mostEvents) this.#events.push({ name, ph: 'X', ts: begin / 1e3, dur: (end - begin) / 1e3, pid: 1, tid, args })
    else this.leftOut += tid
  }
}

const sumOf = (before: Sum | undefined, more: Sum): Sum =>
  before
    ? {
        ...more,
        dispatches: before.dispatches + more.dispatches,
        seconds: before.seconds + more.seconds,
        flops: before.flops + more.flops,
        bytes: before.bytes + more.bytes,
      }
    : more

/** Lines of cells: the first to the left, numbers to the right. */
export function inColumns(rows: string[][]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)))
  return rows.map((row) => row.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join('  ')).join('\n')
}

const shown = (value: number) => (value === 0 ? '–' : value >= 100 ? value.toFixed(0) : value.toPrecision(3))

const gcd = (a: number, b: number): number => (b ? gcd(b, a % b) : a)
