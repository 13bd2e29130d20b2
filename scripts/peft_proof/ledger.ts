/** What is compared: the columns of the table, with the largest distance that passes. */
export const columns = {
  losses: 1e-4,
  logits: 1e-4,
  tensors: 1e-4,
  'ours there': 1e-5,
  'theirs here': 1e-5,
  merged: 1e-5,
  'as LoRA': 1e-5,
  files: 0,
}
export type Column = keyof typeof columns

/** Every check that ran, by case. */
export class Ledger {
  passed = 0
  failed = 0
  readonly #rows = new Map<string, Map<Column, { distance: number; ok: boolean }>>()

  /** Runs a check, which passes where the distance it gives is within the column's bound. A throw is a failure. */
  async check(name: string, column: Column, what: string, body: () => Promise<number>): Promise<void> {
    const bound = columns[column]
    let [distance, problem] = [Number.NaN, '']
    try {
      distance = await body()
      if (!(distance <= bound)) problem = `${distance.toExponential(1)}, at most ${bound} passes`
    } catch (thrown) {
      problem = (thrown as Error).message
    }
    if (problem) {
      this.failed++
      console.log(`FAIL ${name}: ${what}: ${problem.trim().split('\n').join('\n     ')}`)
    } else this.passed++
    const row = this.#rows.get(name) ?? new Map()
    this.#rows.set(name, row)
    const before = row.get(column)
    row.set(column, { distance: Math.max(before?.distance ?? 0, distance), ok: !problem && (before?.ok ?? true) })
  }

  /** The worst of each case and column. */
  table(): string {
    const names = Object.keys(columns) as Column[]
    const cell = (name: string, column: Column) => {
      const found = this.#rows.get(name)?.get(column)
      if (!found) return '–'
      return found.ok ? (column === 'files' ? 'same' : found.distance.toExponential(1)) : 'FAIL'
    }
    const lines = [['', ...names], ...[...this.#rows.keys()].map((name) => [name, ...names.map((column) => cell(name, column))])]
    const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)))
    return lines.map((line) => line.map((text, i) => (i ? text.padStart(widths[i]) : text.padEnd(widths[i]))).join('  ')).join('\n')
  }
}
