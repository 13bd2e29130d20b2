// Figures of the same rows that another program measured: what bench/pytorch.py wrote.
import { readFileSync } from 'node:fs'
import { rowKey } from './case'
import { type Report, type Row, ratiosOf } from './report'

export type Beside = Pick<Report, 'adapter' | 'versions' | 'rows'>

/** @throws Error where the file is no such report */
export function readBeside(file: string): Beside {
  const found = JSON.parse(readFileSync(file, 'utf8')) as Partial<Beside>
  if (typeof found.adapter !== 'string' || !Array.isArray(found.rows)) throw new Error(`--with: ${file} is no report of bench/pytorch.py`)
  return { adapter: found.adapter, versions: found.versions ?? {}, rows: found.rows }
}

/** Takes part under its columns' names (`torch f32`, …), on an adapter of its own. */
export function introduce({ adapter, versions, rows }: Beside, report: Report): void {
  Object.assign(report.versions, versions)
  for (const row of rows)
    for (const who of [...Object.keys(row.rivals), ...Object.keys(row.notes)]) report.adapters[who] = `torch, on ${adapter}`
}

/** A row with its figures and theirs. */
export function besides(row: Row, { rows }: Beside): Row {
  const theirs = rows.find((r) => rowKey(r) === rowKey(row) && r.unit === row.unit)
  if (!theirs) return row
  const rivals = { ...row.rivals, ...theirs.rivals }
  return { ...row, rivals, notes: { ...row.notes, ...theirs.notes }, ratios: ratiosOf(row, Object.entries(rivals)) }
}
