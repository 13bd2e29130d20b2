// The SpamAssassin emails as files for `condlora reproduce spam`: `node dist/scripts/spam.js [FOLDER]` writes train.csv and
// validation.csv, 4,329 and 1,471 rows, into the folder (default: spam). The order and the split are the demo's.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Papa from 'papaparse'
import { loadSpam, type SpamRow } from '../../src/demo/spam'

const folder = process.argv[2] ?? 'spam'
const { train, test } = await loadSpam()
mkdirSync(folder, { recursive: true })
for (const [name, rows] of [['train', train] as const, ['validation', test] as const]) write(join(folder, `${name}.csv`), rows)

function write(file: string, rows: SpamRow[]): void {
  const named = rows.map(({ text, label }) => ({ text, label: label ? 'spam' : 'ham' }))
  writeFileSync(file, `${Papa.unparse(named, { newline: '\n' })}\n`)
  console.log(`${file}: ${rows.length} rows`)
}
