import { effect, useSignal } from '@preact/signals'
import { useLayoutEffect, useRef } from 'preact/hooks'
import type { Point } from '../protocol'
import { chart, type Line } from './chart'
import { count, decimals, percent } from './format'
import { Card } from './parts'
import { points } from './state'

type Key = 'loss' | 'evalLoss' | 'evalAccuracy'

const curves: {
  id: string
  title: string
  keys: Key[]
  lines: Line[]
  range: [number | null, number | null]
  show: (value: number) => string
}[] = [
  {
    id: 'loss',
    title: 'Loss',
    keys: ['loss', 'evalLoss'],
    lines: [
      { label: 'training', tone: '--own' },
      { label: 'validation', tone: '--second', dots: true },
    ],
    range: [0, null],
    show: decimals,
  },
  {
    id: 'accuracy',
    title: 'Accuracy',
    keys: ['evalAccuracy'],
    lines: [{ label: 'validation', tone: '--second', dots: true }],
    range: [0, 1],
    show: percent,
  },
]

export function Curves() {
  if (!points.value.length) return null
  return (
    <Card id="curves" title="Curves">
      <div class="charts">
        {curves.map((curve) => (
          <Curve key={curve.id} {...curve} />
        ))}
      </div>
      <details class="small">
        <summary>The curves as a table</summary>
        <PointTable />
      </details>
    </Card>
  )
}

function Curve({ id, title, keys, lines, range, show }: (typeof curves)[number]) {
  const host = useRef<HTMLDivElement>(null)
  const hovered = useSignal<number | null>(null)
  useLayoutEffect(() => {
    const ends: (() => void)[] = []
    let gone = false
    void chart(host.current as HTMLElement, lines, range, (index) => {
      hovered.value = index
    }).then((drawn) => {
      ends.push(drawn.end)
      if (gone) drawn.end()
      else ends.push(effect(() => drawn.set(...aligned(keys))))
    })
    return () => {
      gone = true
      for (const end of ends) end()
    }
  }, [])
  const known = pointsWith(keys)
  const at = hovered.value === null ? undefined : known[hovered.value]
  return (
    <figure id={`curve-${id}`}>
      <figcaption>
        <strong>{title}</strong>
        {lines.map(({ label, tone }, i) => (
          <span key={label} class="key">
            <span class={`swatch tone${tone}`} aria-hidden="true" />
            {label} <b>{value(at ? at[keys[i]] : known.findLast((point) => point[keys[i]] !== undefined)?.[keys[i]], show)}</b>
          </span>
        ))}
        {at && <span class="soft">step {count(at.step)}</span>}
      </figcaption>
      <div ref={host} role="img" aria-label={`${title}: ${lines.map(({ label }, i) => inWords(label, keys[i], show)).join('; ')}`} />
    </figure>
  )
}

const pointsWith = (keys: Key[]) => points.value.filter((point) => keys.some((key) => point[key] !== undefined))

/** Steps, and a list of values for each curve, with null where it has none. */
function aligned(keys: Key[]): [number[], (number | null)[][]] {
  const known = pointsWith(keys)
  return [known.map(({ step }) => step), keys.map((key) => known.map((point) => point[key] ?? null))]
}

const value = (x: number | undefined, show: (value: number) => string) => (x === undefined ? '–' : show(x))

/** A curve for who cannot see it. */
function inWords(label: string, key: Key, show: (value: number) => string): string {
  const known = points.value.filter((point) => point[key] !== undefined)
  const [first, last] = [known[0], known.at(-1)]
  if (!first || !last) return `${label} not measured yet`
  if (first === last) return `${label} ${show(first[key] as number)} at step ${first.step}`
  return `${label} from ${show(first[key] as number)} at step ${first.step} to ${show(last[key] as number)} at step ${last.step}`
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
