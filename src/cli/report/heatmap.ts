import { style, svg } from './chart'

/** An SVG of a square grid of numbers from 0 to 1, with the numbers in it. */
export function heatmap(grid: number[][], names: (string | number)[]): Promise<string> {
  const values = grid.flatMap((row, y) => row.map((value, x) => ({ x: names[x], y: names[y], value })))
  const axis = { title: 'layer', labelAngle: 0, ticks: false, domain: false } as const
  return svg({
    width: 380,
    height: 330,
    padding: 4,
    autosize: { type: 'fit', contains: 'padding' },
    data: { values },
    encoding: {
      x: { field: 'x', type: 'ordinal', sort: null, axis },
      y: { field: 'y', type: 'ordinal', sort: null, axis },
    },
    layer: [
      {
        mark: 'rect',
        encoding: {
          color: {
            field: 'value',
            type: 'quantitative',
            title: null,
            scale: { domain: [0, 1], scheme: 'blues' },
            legend: { gradientLength: 250 },
          },
        },
      },
      {
        mark: { type: 'text', fontSize: names.length > 16 ? 7 : 9 },
        encoding: {
          text: { field: 'value', type: 'quantitative', format: '.2f' },
          color: { condition: { test: 'datum.value > 0.55', value: 'white' }, value: '#1c2733' },
        },
      },
    ],
    config: style,
  })
}
