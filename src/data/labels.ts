/** A label as the file has it; `where` is for messages. */
export interface LabelCell {
  value: unknown
  where: string
}

const maxClasses = 100_000

/**
 * Class numbers of labels: numbers from 0 stay, names are numbered in sorted order (or by `names`), and where any has
 * a fraction all are targets of a regression.
 * @throws Error naming row and column on a missing or impossible label
 */
export function numberLabels(
  cells: LabelCell[],
  column: string,
  names?: readonly string[],
): { values: number[]; names?: readonly string[] } {
  const bad = ({ where }: LabelCell, what: string): never => {
    throw new Error(`${where}, column ${column}: ${what}`)
  }
  const texts = cells.map((cell) => {
    const { value } = cell
    if (value === undefined || value === null || (typeof value === 'string' && !value.trim())) bad(cell, 'the label is missing')
    if (typeof value === 'object') bad(cell, `wanted a class name or a number, got ${JSON.stringify(value).slice(0, 100)}`)
    return String(value).trim()
  })
  const whole = texts.every((t) => /^[+-]?\d+$/.test(t))
  if (!whole && !names && texts.every(isNumber)) return { values: texts.map(Number) }
  if (whole) {
    const classes = names?.length ?? maxClasses
    const values = texts.map((t, i) => {
      const label = Number(t)
      if (label < 0 || label >= classes)
        bad(cells[i], `wanted a class number from 0 to ${classes - 1}, got ${t}${label < 0 ? ' (is this an unlabelled file?)' : ''}`)
      return label
    })
    return names ? { values, names } : { values }
  }
  const sorted = names ?? [...new Set(texts)].sort()
  const numbers = new Map(sorted.map((n, i) => [n, i]))
  const values = texts.map(
    (t, i) => numbers.get(t) ?? bad(cells[i], `unknown label ${JSON.stringify(t)}; wanted one of ${sorted.slice(0, 20).join(', ')}`),
  )
  if (sorted.length > maxClasses)
    throw new Error(`column ${column}: ${sorted.length} different labels are too many (at most ${maxClasses})`)
  return { values, names: sorted }
}

const isNumber = (text: string) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && Number.isFinite(Number(text))
