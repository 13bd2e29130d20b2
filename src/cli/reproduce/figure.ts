import type { TopLevelSpec } from 'vega-lite'
import { type MethodName, methodOf } from '../methods'
import { svg } from '../report/chart'
import type { TaskResult } from './table'

/** Every seed as a dot, the mean as a stroke, what others report as a diamond: one panel a task. SVG. */
export function figure(results: TaskResult[]): Promise<string> {
  return svg({
    background: 'white',
    padding: 12,
    config: {
      font: 'system-ui, sans-serif',
      view: { stroke: null },
      axis: { labelFontSize: 13, titleFontSize: 13, titleFontWeight: 'normal' },
    },
    columns: 3,
    concat: results.map(panel),
  } as TopLevelSpec)
}

function panel({ title, metric, cells }: TaskResult) {
  const name = (method: MethodName) => methodOf(method).title
  const order = cells.map(({ method }) => name(method))
  const seeds = cells.flatMap(({ method, seeds: all }) => all.map(({ value }) => ({ method: name(method), value })))
  const means = cells.map(({ method, mean }) => ({ method: name(method), value: mean }))
  const reported = cells.flatMap((cell) => (cell.reported === undefined ? [] : [{ method: name(cell.method), value: cell.reported }]))
  const encoding = {
    y: { field: 'method', type: 'nominal', sort: order, title: null, axis: { grid: true, domain: false, ticks: false } },
    x: { field: 'value', type: 'quantitative', title: `${metric}, percent`, scale: { zero: false, nice: true } },
  }
  return {
    title: { text: title, fontSize: 14, anchor: 'start' },
    width: 420,
    height: { step: 36 },
    encoding,
    layer: [
      { data: { values: seeds }, mark: { type: 'point', filled: true, size: 60, color: '#2f7ed8', opacity: 0.6 } },
      { data: { values: means }, mark: { type: 'tick', size: 26, thickness: 3, color: '#1b1f24' } },
      { data: { values: reported }, mark: { type: 'point', shape: 'diamond', filled: true, size: 110, color: '#e0702a' } },
    ],
  }
}
