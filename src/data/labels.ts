/** A label as the file has it; `where` is for messages. */
export interface LabelCell {
  value: unknown
  where: string
}

export interface LabelOptions {
  /** The classes by number. Default: the different labels, sorted, unless they are numbers already. */
  labelNames?: readonly string[]
  /** Labels are numbers to be predicted, also where all are whole. Default: where any has a fraction. */
  regression?: boolean
}

/** What a label stands for. */
export interface LabelRule {
  readonly names?: readonly string[]
  /** 1: a regression; undefined where labels are class numbers that nobody has looked at. */
  readonly numLabels?: number
  /** @throws Error naming row and column on a missing or impossible label */
  number(cell: LabelCell): number
}

const maxClasses = 100_000
const wholeNumber = /^[+-]?\d+$/
const isNumber = (text: string) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && Number.isFinite(Number(text))

/** Looks at labels one after another, to tell class numbers, class names and targets of a regression apart. */
export class LabelSurvey {
  #whole = true
  #most = 0
  #numeric = true
  #names = new Set<string>()
  /** The first that cannot be a class number. */
  #odd: LabelCell | undefined

  constructor(private readonly column: string) {}

  add(cell: LabelCell): void {
    const text = labelText(cell, this.column)
    this.#whole &&= wholeNumber.test(text)
    this.#numeric &&= this.#whole || isNumber(text)
    if (this.#whole) this.#most = Math.max(this.#most, Number(text))
    if (this.#whole && !(Number(text) >= 0 && Number(text) < maxClasses)) this.#odd ??= cell
    if (this.#names.size <= maxClasses) this.#names.add(text)
  }

  rule(): LabelRule {
    const plain = labelRule(this.column, {})
    if (this.#whole && this.#odd) plain.number(this.#odd) // throws
    if (this.#whole) return { ...plain, numLabels: this.#most + 1 }
    if (this.#numeric) return labelRule(this.column, { regression: true })
    if (this.#names.size > maxClasses)
      throw new Error(`column ${this.column}: more than ${maxClasses} different labels are too many; is this the column of the labels?`)
    return labelRule(this.column, { labelNames: [...this.#names].sort() })
  }
}

/** The rule of options alone: with neither, labels are class numbers. */
export function labelRule(column: string, { labelNames: names, regression }: LabelOptions): LabelRule {
  if (regression && names) throw new Error('labelNames: a regression has no classes: leave labelNames or regression out')
  const read = regression ? target : names ? classNumber(names) : plainNumber
  return {
    ...(names ? { names, numLabels: names.length } : regression ? { numLabels: 1 } : {}),
    number(cell) {
      const found = read(labelText(cell, column), cell.value)
      if (typeof found === 'number') return found
      throw new Error(`${cell.where}, column ${column}: ${found}`)
    },
  }
}

function labelText({ value, where }: LabelCell, column: string): string {
  const bad = (what: string) => new Error(`${where}, column ${column}: ${what}`)
  if (value === undefined || value === null || (typeof value === 'string' && !value.trim())) throw bad('the label is missing')
  if (typeof value === 'object') throw bad(`wanted a class name or a number, got ${JSON.stringify(value).slice(0, 100)}`)
  return typeof value === 'boolean' ? String(Number(value)) : String(value).trim()
}

// Each gives the number, or says what is wrong.
type Reading = (text: string, value: unknown) => number | string

const target: Reading = (text) => (isNumber(text) ? Number(text) : `wanted a number, got ${JSON.stringify(text)}`)

const plainNumber: Reading = (text) => inRange(text, maxClasses)

/** A text is a name or else a number; where names look like numbers (five stars) it is only a name. */
function classNumber(names: readonly string[]): Reading {
  const numbers = new Map(names.map((n, i) => [n, i]))
  if (numbers.size < names.length) throw new Error(`labelNames: a name stands twice in ${names.slice(0, 20).join(', ')}`)
  const numeric = names.some((n) => wholeNumber.test(n))
  return (text, value) => {
    const named = typeof value === 'string' ? numbers.get(text) : undefined
    if (named !== undefined) return named
    if (wholeNumber.test(text) && !(numeric && typeof value === 'string')) return inRange(text, names.length)
    return `unknown label ${JSON.stringify(text)}; wanted one of ${names.slice(0, 20).join(', ')}`
  }
}

function inRange(text: string, classes: number): number | string {
  const label = wholeNumber.test(text) ? Number(text) : Number.NaN
  if (label >= 0 && label < classes) return label + 0
  return `wanted a class number from 0 to ${classes - 1}, got ${text}${label < 0 ? ' (is this an unlabelled file?)' : ''}`
}
