// The report as text.
import { ours } from './case'
import { halfGroup } from './cases/matmul'
import { best, type Report, type Row, ratio } from './report'

export function printHead({ adapter, versions, machine, adapters, experimental, quick }: Report): void {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  console.log(`condlora bench${quick ? ' --quick' : ''}`)
  console.log(`  adapter   ${adapter}`)
  for (const [who, on] of Object.entries(adapters)) if (on !== adapter) console.log(`            ${who}: ${on || 'does not run here'}`)
  if (experimental) console.log(`            ${ours} --experimental: ${experimental}`)
  console.log(`  versions  ${named.join(', ')}`)
  console.log(`  machine   ${machine.processors}, ${machine.system}, load average ${machine.load.toFixed(2)}`)
  console.log('  Medians; every result was checked against float64 before it counts. "(…×)" and "× …" are how many times better ours is.\n')
}

/** A group's figures by the clock, the same by processor time, and whatever is to be said besides. */
export function printGroup(rows: Row[], report: Report): void {
  const [{ group, unit, better }] = rows
  const units = [...new Set(rows.map((row) => row.unit))]
  console.log(`${group}${units.length === 1 && unit ? `, ${unit}` : ''} (${better} is better)`)
  table(rows, report)
  if (rows.some((row) => row.cpu)) {
    console.log(better === 'higher' ? 'the same per processor-second over all threads' : 'the same in processor time')
    table(rows.map(byProcessor), { ...report, rows: report.rows.map(byProcessor) })
  }
  for (const [text, names] of remarks(rows))
    console.log(`  ${text} (${names.length === rows.length && rows.length > 1 ? 'all rows' : names.join('; ')})`)
  console.log('')
}

/** What was noted, each remark once with the rows that it is about. */
function remarks(rows: Row[]): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const { name, notes } of rows)
    for (const [who, note] of Object.entries(notes)) {
      const text = `${who}: ${note}`
      found.set(text, [...(found.get(text) ?? []), name])
    }
  return found
}

const byProcessor = (row: Row): Row => {
  const { [ours]: own, ...rivals } = row.cpu ?? {}
  return { ...row, ours: own ?? null, rivals, spread: undefined }
}

function table(rows: Row[], report: Report): void {
  const sameAdapter = (who: string) => report.adapters[who] === report.adapter
  const others = Object.keys(report.adapters).filter((who) => who !== ours && rows.some((row) => who in row.rivals || who in row.notes))
  const roofline = (row: Row) => {
    // Half floats have another one.
    const none = ['roofline', halfGroup].includes(row.group)
    const top = none ? null : report.rows.find((r) => r.group === 'roofline' && r.unit === row.unit)?.ours
    return top && row.ours !== null ? `${((100 * row.ours) / top).toFixed(0)} %` : ''
  }
  const shares = rows.map(roofline)
  const ratioTo = (among: (who: string) => boolean) => (row: Row) => {
    const found = best(row, among)
    return found && row.ours !== null ? `${number(ratio(row, found[1]))} ${found[0]}` : ''
  }
  const extra: [string, string[]][] = [
    ['of roofline', shares],
    ['× best on this adapter', rows.map(ratioTo(sameAdapter))],
    ['× best without a GPU', rows.map(ratioTo((who) => report.adapters[who] === 'WebAssembly'))],
  ]
  const shown = extra.filter(([, cells]) => cells.some(Boolean))
  const cell = (row: Row, who: string, value: number | null | undefined) => {
    if (value === null || value === undefined) return mark(row.notes[who])
    const spread = row.spread?.[who]
    const times = who !== ours && row.ours !== null ? ` (${number(ratio(row, value))}×)` : ''
    const width = spread ? (100 * (spread[1] - spread[0])) / value : 0
    return `${number(value)}${spread && spread[2] > 1 ? ` ±${(width / 2).toFixed(0)}%` : ''}${times}`
  }
  const head = ['', ours, ...others, ...shown.map(([title]) => title)]
  const body = rows.map((row, i) => [
    row.unit && rows.some((r) => r.unit !== row.unit) ? `${row.name}, ${row.unit}` : row.name,
    cell(row, ours, row.ours),
    ...others.map((who) => cell(row, who, row.rivals[who])),
    ...shown.map(([, cells]) => cells[i]),
  ])
  const widths = head.map((title, i) => Math.max(title.length, ...body.map((cells) => cells[i].length)))
  for (const cells of [head, widths.map((w) => '-'.repeat(w)), ...body])
    console.log(`| ${cells.map((c, i) => c.padEnd(widths[i])).join(' | ')} |`)
}

function mark(text: string | undefined): string {
  if (text === undefined) return ''
  return text.startsWith('WRONG')
    ? 'WRONG'
    : text.startsWith('not run here')
      ? 'not run'
      : text.startsWith('not yet')
        ? 'not yet'
        : 'cannot'
}

/** Three digits. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
