import { h } from 'preact'
import { ours } from '../../../bench/case'
import type { Report, Row } from '../../../bench/report'
import { participants, titleOf } from './run'

/** A row's figures, each with a bar: as long as it is good, the best one fills the cell. */
function rowBody(row: Row) {
  const values = participants.map((who) => ({ who, value: who === ours ? row.ours : (row.rivals[who] ?? null) }))
  const known = values.flatMap(({ value }) => (value === null ? [] : [value]))
  const share = (value: number) => (row.better === 'higher' ? value / Math.max(...known) : Math.min(...known) / value)
  return h(
    'tbody',
    { key: `${row.group} ${row.name}` },
    values.map(({ who, value }, i) =>
      h(
        'tr',
        { class: who === ours ? 'own' : '', 'data-row': row.name, 'data-who': who },
        i === 0 &&
          h(
            'th',
            { class: 'row', scope: 'rowgroup', rowSpan: values.length },
            titleOf(row),
            h('br', null),
            h('span', { class: 'soft' }, row.unit),
          ),
        h('td', null, who),
        value === null
          ? h('td', { colSpan: 2, class: /^WRONG/.test(row.notes[who] ?? '') ? 'wrong' : 'soft' }, row.notes[who] ?? 'not measured')
          : [
              h('td', { class: 'number' }, digits(value)),
              h('td', { class: 'figure' }, h('span', { class: 'bar', style: { width: `${100 * share(value)}%` } })),
            ],
      ),
    ),
  )
}

const digits = (value: number) => (value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3))

export function resultTable({ rows }: Report) {
  if (!rows.length) return null
  return h(
    'table',
    null,
    h('caption', { class: 'soft' }, 'Medians. A longer bar is better. Every result was checked against float64 before it counts.'),
    h('thead', null, h('tr', null, ...['what', 'library', 'figure', 'compared'].map((title) => h('th', { scope: 'col' }, title)))),
    rows.map(rowBody),
  )
}

export function facts(report: Report) {
  const versions = Object.entries(report.versions).map(([name, version]) => `${name} ${version}`)
  return h(
    'dl',
    null,
    h('dt', null, 'adapter'),
    h('dd', { id: 'adapter' }, report.adapter || '…'),
    h('dt', null, 'versions'),
    h('dd', null, versions.join(', ')),
  )
}
