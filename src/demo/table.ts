/** Lines of a table with columns as wide as needed; the first column is set to the left, the others to the right. */
export function table(rows: string[][]): string {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((row) => row[c].length)))
  const line = (row: string[]) => row.map((cell, c) => (c ? cell.padStart(widths[c]) : cell.padEnd(widths[c]))).join('   ')
  const [head, ...body] = rows
  return [line(head), widths.map((w) => '─'.repeat(w)).join('───'), ...body.map(line)].join('\n')
}

/** `0.954 (0.949..0.959)`: the mean, and where there are several the least and the most. */
export function spread(values: number[]): string {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  return values.length === 1 ? mean.toFixed(3) : `${mean.toFixed(3)} (${Math.min(...values).toFixed(3)}..${Math.max(...values).toFixed(3)})`
}
