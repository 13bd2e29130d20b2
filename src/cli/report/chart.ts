import { parse, View } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'

export interface Series {
  name: string
  points: { step: number; value: number }[]
}

// Told apart by eye and in grey, on white and on black alike.
const colours = ['#2f7ed8', '#e0702a', '#2aa876', '#b457c9', '#9a8a1f', '#8a8f98']

/** An SVG with one line for each series that has points; '' where none has. Text takes the page's colour. */
export async function chart(all: Series[], lastStep: number): Promise<string> {
  const series = all.filter((s) => s.points.length)
  return series.length ? svg(spec(series, lastStep)) : ''
}

/** Draws without a page. */
export async function svg(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: 'none' })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}

function spec(series: Series[], lastStep: number): TopLevelSpec {
  const names = series.map((s) => s.name)
  // A line of few points shows where they are; one alone would not be seen otherwise.
  const dotted = series.filter((s) => s.points.length <= 30).map((s) => s.name)
  return {
    width: 380,
    height: 200,
    padding: 4,
    autosize: { type: 'fit', contains: 'padding' },
    data: { values: series.flatMap(({ name, points }) => points.map((p) => ({ ...p, name }))) },
    encoding: {
      x: {
        field: 'step',
        type: 'quantitative',
        title: 'step',
        axis: { tickMinStep: 1, grid: false },
        scale: { domain: [0, lastStep], nice: false },
      },
      y: { field: 'value', type: 'quantitative', title: null, scale: { zero: false } },
      color: {
        field: 'name',
        type: 'nominal',
        title: null,
        scale: { domain: names, range: colours },
        legend: names.length > 1 ? { orient: 'top', symbolType: 'stroke' } : null,
      },
    },
    layer: [
      { mark: { type: 'line', strokeWidth: 2 } },
      { transform: [{ filter: { field: 'name', oneOf: dotted } }], mark: { type: 'point', size: 30, filled: true } },
    ],
    config: style,
  }
}

const text = {
  labelColor: 'currentColor',
  titleColor: 'currentColor',
  labelFontSize: 13,
  titleFontSize: 13,
  titleFontWeight: 'normal',
} as const

export const style: TopLevelSpec['config'] = {
  background: 'transparent',
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  axis: {
    ...text,
    domainColor: 'currentColor',
    domainOpacity: 0.4,
    tickColor: 'currentColor',
    tickOpacity: 0.4,
    gridColor: 'currentColor',
    gridOpacity: 0.15,
    tickCount: 5,
  },
  legend: { ...text, symbolStrokeWidth: 3 },
}
