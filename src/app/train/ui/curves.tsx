import { effect, useSignal } from '@preact/signals'
import { useLayoutEffect, useRef } from 'preact/hooks'
import type { Point } from '../protocol'
import { type Chart, chart, type Line, type Scale } from './chart'
import { count, decimals, percent } from './format'
import { Card } from './parts'
import { begun, outcome, points, smoothed } from './state'

type Key = 'loss' | 'evalLoss' | 'evalAccuracy'
type Read = (all: readonly Point[]) => (number | undefined)[]

interface OneCurve extends Line {
  read: Read
}

const of =
  (key: Key): Read =>
  (all) =>
    all.map((point) => point[key])

interface Plot {
  id: string
  title: string
  lines: OneCurve[]
  range: Scale['range']
  tick: (value: number) => string
  show: (value: number) => string
}

const plots: Plot[] = [
  {
    id: 'loss',
    title: 'Loss',
    lines: [
      { label: 'training, single readings', tone: '--own', pale: true, read: of('loss') },
      { label: 'training', tone: '--own', read: smoothed },
      { label: 'validation', tone: '--second', dots: true, read: of('evalLoss') },
    ],
    range: [0, null],
    tick: (value) => String(Number(value.toFixed(3))),
    show: decimals,
  },
  {
    id: 'accuracy',
    title: 'Accuracy',
    lines: [{ label: 'validation', tone: '--second', dots: true, read: of('evalAccuracy') }],
    range: [0, 1],
    tick: (value) => `${Number((100 * value).toFixed(1))} %`,
    show: percent,
  },
]

/** The axis reaches to the run's end while it goes on. */
const lastStep = () => Math.max(points.value.at(-1)?.step ?? 0, outcome.value ? 0 : (begun.value?.totalSteps ?? 0))

export function Curves() {
  if (!points.value.length) return null
  return (
    <Card id="curves" title="Curves">
      <div class="charts">
        {plots.map((plot) => (
          <Curve key={plot.id} {...plot} />
        ))}
      </div>
      <details class="small">
        <summary>The curves as a table</summary>
        <PointTable />
      </details>
    </Card>
  )
}

function Curve({ id, title, lines, range, tick, show }: Plot) {
  const host = useRef<HTMLDivElement>(null)
  const hovered = useSignal<number | null>(null)
  useLayoutEffect(() => {
    const ends: (() => void)[] = []
    let gone = false
    void chart(host.current as HTMLElement, lines, { range, tick, end: lastStep }, (index) => {
      hovered.value = index
    }).then((drawn) => {
      ends.push(drawn.end)
      if (gone) drawn.end()
      else ends.push(effect(() => draw(drawn, lines)))
    })
    return () => {
      gone = true
      for (const end of ends) end()
    }
  }, [])
  const at = hovered.value === null ? undefined : points.value[hovered.value]
  const values = lines.map(({ read }) => read(points.value))
  return (
    <figure id={`curve-${id}`}>
      <figcaption>
        <strong>{title}</strong>
        {lines.map(({ label, tone, pale }, i) =>
          pale ? null : (
            <span key={label} class="key">
              <span class={`swatch tone${tone}`} aria-hidden="true" />
              {label} <b>{value(at ? values[i][points.value.indexOf(at)] : values[i].findLast((y) => y !== undefined), show)}</b>
            </span>
          ),
        )}
        {at && <span class="soft">step {count(at.step)}</span>}
      </figcaption>
      <div ref={host} role="img" aria-label={`${title}: ${lines.map(({ label }, i) => inWords(label, values[i], show)).join('; ')}`} />
    </figure>
  )
}

function draw(drawn: Chart, lines: readonly OneCurve[]): void {
  const all = points.value
  // Read here, so that the axis follows them.
  lastStep()
  drawn.set(
    all.map(({ step }) => step),
    lines.map(({ read }) => read(all).map((y) => y ?? null)),
  )
}

const value = (x: number | undefined, show: (value: number) => string) => (x === undefined ? '–' : show(x))

/** A curve for who cannot see it. */
function inWords(label: string, values: readonly (number | undefined)[], show: (value: number) => string): string {
  const first = values.findIndex((y) => y !== undefined)
  const last = values.findLastIndex((y) => y !== undefined)
  if (first < 0) return `${label} not measured yet`
  const told = (i: number) => `${show(values[i] as number)} at step ${points.value[i].step}`
  return first === last ? `${label} ${told(first)}` : `${label} from ${told(first)} to ${told(last)}`
}

const rowsShown = 100

function PointTable() {
  const shown = points.value.slice(-rowsShown)
  const cell = (point: Point, key: Key, show: (value: number) => string) => <td>{value(point[key], show)}</td>
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must scroll by keyboard
    <section class="scroll points" tabIndex={0} aria-label="The curves as a table">
      <table>
        <thead>
          <tr>
            {['step', 'epoch', 'training loss', 'validation loss', 'accuracy'].map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((point) => (
            <tr key={point.step}>
              <th scope="row">{count(point.step)}</th>
              <td>{point.epoch.toFixed(2)}</td>
              {cell(point, 'loss', decimals)}
              {cell(point, 'evalLoss', decimals)}
              {cell(point, 'evalAccuracy', percent)}
            </tr>
          ))}
        </tbody>
      </table>
      {points.value.length > rowsShown && (
        <p class="soft">
          The last {rowsShown} of {count(points.value.length)}.
        </p>
      )}
    </section>
  )
}
