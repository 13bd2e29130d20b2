import type uPlot from 'uplot'

/** A line of a chart: its colour is a variable of the stylesheet, so that light and dark have their own. */
export interface Line {
  label: string
  tone: string
  /** Drawn thin and pale. */
  pale?: boolean
  dots?: boolean
}

export interface Scale {
  /** Least and most that the values can be. */
  range: readonly [number | null, number | null]
  tick: (value: number) => string
  /** The last step of the axis. */
  end: () => number
}

export interface Chart {
  set(steps: number[], lines: (number | null)[][]): void
  end(): void
}

/** uPlot asks Intl for the browser's language as it is loaded, and Chromium may name one that Intl refuses (en-US@posix). */
async function plotLibrary(): Promise<typeof uPlot> {
  try {
    new Intl.NumberFormat(navigator.language)
  } catch {
    Object.defineProperty(navigator, 'language', { value: 'en-US', configurable: true })
  }
  return (await import('uplot')).default
}

/** A chart in `host` that follows its width and the colour scheme; `hover` hears the index under the pointer. */
export async function chart(
  host: HTMLElement,
  lines: readonly Line[],
  { range, tick, end }: Scale,
  hover: (index: number | null) => void,
): Promise<Chart> {
  const Plot = await plotLibrary()
  const tone = (name: string) => getComputedStyle(host).getPropertyValue(name).trim()
  const axis = {
    stroke: () => tone('--soft'),
    font: '12px system-ui, sans-serif',
    grid: { stroke: () => tone('--line'), width: 1 },
    ticks: { show: false },
  }
  const width = () => Math.max(160, host.clientWidth)
  const plot = new Plot(
    {
      width: width(),
      height: 170,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: false, range: () => [0, Math.max(1, end())] }, y: { range: (_, min, max) => padded(min, max, range) } },
      axes: [
        { ...axis, size: 28, space: 60, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000] },
        { ...axis, size: 48, space: 34, values: (_, ticks) => ticks.map(tick) },
      ],
      series: [
        {},
        ...lines.map(({ tone: name, pale, dots }) => ({
          stroke: () => tone(name),
          width: pale ? 1 : 2,
          alpha: pale ? 0.45 : 1,
          spanGaps: true,
          points: { show: dots ?? false, size: 6, fill: () => tone(name) },
        })),
      ],
      hooks: { setCursor: [({ cursor }) => hover(cursor.idx ?? null)] },
    },
    [[], ...lines.map(() => [])],
    host,
  )
  const sized = new ResizeObserver(() => plot.setSize({ width: width(), height: 170 }))
  sized.observe(host)
  const scheme = matchMedia('(prefers-color-scheme: dark)')
  const redraw = () => plot.redraw()
  scheme.addEventListener('change', redraw)
  return {
    set: (steps, values) => plot.setData([steps, ...values]),
    end: () => {
      sized.disconnect()
      scheme.removeEventListener('change', redraw)
      plot.destroy()
    },
  }
}

/** A range with room around the values, within what they can be. */
function padded(min: number, max: number, [least, most]: Scale['range']): [number, number] {
  if (!Number.isFinite(min) || !Number.isFinite(max)) return [least ?? 0, most ?? 1]
  const room = Math.max((max - min) * 0.1, 0.02)
  return [Math.max(least ?? min - room, min - room), Math.min(most ?? max + room, max + room)]
}
