// The report's rows, as they are written to JSON.
import { type Case, ours } from './case'
import { replays } from './cases/replay'
import { figure, type Measured, type Outcome } from './measure'
import type { Alone } from './player'

export interface Row {
  group: string
  name: string
  unit: string
  better: 'higher' | 'lower'
  /** null: not measured; `notes.condlora` says why. */
  ours: number | null
  /** Only those that were measured and right. */
  rivals: Record<string, number>
  /** By rival: how many times better ours is; only where both were measured. */
  ratios: Record<string, number>
  /** By participant: what else came: `WRONG: …`, `not run here: predicted N s`, an error. */
  notes: Record<string, string>
  /** Least and most of each participant's calls, and how many there were. */
  spread?: Record<string, [low: number, high: number, calls: number]>
  /** The same figure by processor time instead of the clock: it survives a busy machine. */
  cpu?: Record<string, number>
  /** Relative error against float64. */
  error?: Record<string, number>
  /** Which kernels our products took; on a GPU the tuner chose them. */
  variant?: string
}

export interface Report {
  adapter: string
  versions: Record<string, string>
  machine: { system: string; processors: string; load: number }
  /** What each participant computes on: only equal ones compare. */
  adapters: Record<string, string>
  /** What of ours is experimental, where that was asked for. */
  experimental?: string
  quick: boolean
  rows: Row[]
}

type Outcomes = Record<string, Outcome>

export function reportRow(row: Case, outcomes: Outcomes): Row {
  const measured = measuredOf(outcomes)
  const cpu = row.untilHandedOver ? [] : measured.filter(([, m]) => m.cpuMs)
  return {
    ...figures(
      row.group,
      row.name,
      row.unit,
      row.better,
      measured.map(([who, m]) => [who, figure(row, m.ms)]),
    ),
    notes: Object.fromEntries(Object.entries(outcomes).flatMap(([who, outcome]) => note(who, outcome))),
    spread: Object.fromEntries(
      measured.map(([who, m]) => {
        const [a, b] = [figure(row, m.low), figure(row, m.high)]
        return [who, [Math.min(a, b), Math.max(a, b), m.calls]]
      }),
    ),
    ...(cpu.length ? { cpu: Object.fromEntries(cpu.map(([who, m]) => [who, figure(row, m.cpuMs ?? 0)])) } : {}),
    error: Object.fromEntries(measured.map(([who, m]) => [who, m.error])),
    variant: measured.find(([who]) => who === ours)?.[1].variant,
  }
}

/** How many times less a replayed dispatch costs than one that makes its bind group, where both are among `rows`. */
export function replayRatio(rows: Row[]): Row[] {
  const [replayed, made] = replays.map(({ name }) => rows.find((row) => row.name === name)?.ours)
  if (!replayed || !made) return []
  const name = 'replayed, times less than making its bind group'
  return [{ ...figures(replays[0].group, name, '×', 'higher', [[ours, made / replayed]]), notes: {} }]
}

/** What a row in a process of its own tells besides its speed. */
export function derivedRows(row: Case, outcomes: Outcomes, alone: (who: string) => Alone | undefined): Row[] {
  const measured = measuredOf(outcomes)
  const make = (group: string, unit: string, value: (m: Measured, a: Alone | undefined, who: string) => number | undefined): Row => {
    const values = measured.map(([who, m]): [string, number | undefined] => [who, value(m, alone(who), who)])
    return {
      ...figures(
        group,
        row.name,
        unit,
        'lower',
        values.filter((v): v is [string, number] => v[1] !== undefined),
      ),
      notes: {},
    }
  }
  const mebi = (bytes: number | undefined) => bytes && bytes / 2 ** 20
  const onGpu = (m: Measured, value: number) => (m.pipelines ? value : undefined)
  return [
    make('cpu a step', 'ms', (m) => m.cpuMs),
    make('peak process memory', 'MiB', (_, a) => mebi(a?.peakBytes)),
    make('peak bytes of GPU buffers', 'MiB', (m) => onGpu(m, m.bufferBytes / 2 ** 20)),
    make('dispatches a step', '', (m) => onGpu(m, m.dispatches)),
    make('submits a step', '', (m) => onGpu(m, m.submits)),
    make('pipelines', '', (m) => onGpu(m, m.pipelines)),
    // Rivals make theirs at once, or some of them: nobody is told how long the driver takes for those.
    make('compiling the pipelines', 'ms', (m, _, who) => (who === ours && m.compileMs) || undefined),
    make('process start to first step', 's', (_, a) => a && a.startMs / 1000),
  ].filter((r) => r.ours !== null || Object.keys(r.rivals).length)
}

function measuredOf(outcomes: Outcomes): [who: string, measured: Measured][] {
  return Object.entries(outcomes).flatMap(([who, o]): [string, Measured][] => (o.status === 'ok' ? [[who, o.measured]] : []))
}

function figures(group: string, name: string, unit: string, better: Row['better'], values: [who: string, value: number][]) {
  const byName = new Map(values)
  const own = byName.get(ours) ?? null
  byName.delete(ours)
  return { group, name, unit, better, ours: own, rivals: Object.fromEntries(byName), ratios: ratiosOf({ better, ours: own }, byName) }
}

export function ratiosOf(row: Pick<Row, 'better' | 'ours'>, rivals: Iterable<[who: string, value: number]>): Row['ratios'] {
  if (row.ours === null) return {}
  return Object.fromEntries([...rivals].map(([who, value]) => [who, Number(ratio(row, value).toPrecision(4))]))
}

function note(who: string, outcome: Outcome): [string, string][] {
  if (outcome.status === 'ok') return []
  if (outcome.status === 'wrong') return [[who, `WRONG: relative error ${outcome.error.toPrecision(3)}`]]
  if (outcome.status === 'left out') return [[who, `not run here: predicted ${outcome.seconds.toFixed(0)} s`]]
  return [[who, outcome.message]]
}

/** How many times better ours is than `rival`. */
export function ratio({ better, ours }: Pick<Row, 'better' | 'ours'>, rival: number): number {
  if (ours === null) return Number.NaN
  return better === 'higher' ? ours / rival : rival / ours
}

/** The best of the rivals for which `among` holds. */
export function best(row: Row, among: (who: string) => boolean): [who: string, value: number] | undefined {
  const found = Object.entries(row.rivals).filter(([who]) => among(who))
  return found.sort(([, a], [, b]) => ratio(row, a) - ratio(row, b))[0]
}
