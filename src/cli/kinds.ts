import { InvalidArgumentError } from 'commander'
import * as v from 'valibot'

type Schema<T> = v.GenericSchema<T>

/** A kind of value: how it is read from a flag's text, and what a config file may hold. */
export interface Kind<T> {
  schema: Schema<T>
  /** Shown in the help: `<n>`; undefined for a switch. */
  placeholder?: string
  /** `a whole number above 0`. */
  wanted: string
  read(text: string): unknown
}

const number = (text: string) => (text.trim() === '' ? Number.NaN : Number(text))
const numeric = (wanted: string, schema: Schema<number>): Kind<number> => ({ schema, placeholder: '<n>', wanted, read: number })

export const positive = numeric('a whole number above 0', v.pipe(v.number(), v.integer(), v.minValue(1)))
export const natural = numeric('a whole number from 0', v.pipe(v.number(), v.integer(), v.minValue(0)))
export const aboveZero = numeric('a number above 0', v.pipe(v.number(), v.finite(), v.gtValue(0)))
export const fromZero = numeric('a number from 0', v.pipe(v.number(), v.finite(), v.minValue(0)))
export const share = numeric('a number from 0 to 1', v.pipe(v.number(), v.minValue(0), v.maxValue(1)))
export const part = numeric('a number above 0, at most 1', v.pipe(v.number(), v.gtValue(0), v.maxValue(1)))
export const rate = numeric('a number from 0 to below 1', v.pipe(v.number(), v.minValue(0), v.ltValue(1)))

const units: Record<string, number> = { '': 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 }

export const bytes: Kind<number> = {
  ...positive,
  placeholder: '<bytes>',
  wanted: 'a number of bytes such as 800MB or 2GiB',
  read: (text) => {
    const [, digits, unit] = /^([\d.]+)\s*([a-z]*)$/i.exec(text) ?? []
    return Math.round(Number(digits) * (units[unit?.toLowerCase()] ?? Number.NaN))
  },
}

export const text = (placeholder: string): Kind<string> => ({
  schema: v.pipe(v.string(), v.nonEmpty()),
  placeholder,
  wanted: 'some text',
  read: (t) => t,
})

export const names: Kind<string[]> = {
  schema: v.pipe(v.array(v.pipe(v.string(), v.nonEmpty())), v.nonEmpty()),
  placeholder: '<a,b,…>',
  wanted: 'names with commas between',
  read: (t) => t.split(',').map((name) => name.trim()),
}

export function oneOf<const T extends string>(choices: readonly T[]): Kind<T> {
  return {
    schema: v.picklist(choices),
    placeholder: choices.length > 3 ? '<name>' : `<${choices.join('|')}>`,
    wanted: `one of ${choices.join(', ')}`,
    read: (t) => t,
  }
}

export const flag: Kind<boolean> = { schema: v.boolean(), wanted: 'true or false', read: (t) => t }

/** What commander calls for a flag's text. @throws InvalidArgumentError */
export function reader<T>(kind: Kind<T>): (text: string) => T {
  return (text) => {
    const result = v.safeParse(kind.schema, kind.read(text))
    if (!result.success) throw new InvalidArgumentError(`Wanted ${kind.wanted}.`)
    return result.output
  }
}
