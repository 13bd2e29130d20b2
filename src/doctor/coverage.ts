import type { Check, Constants } from './check'
import { checks } from './checks'

const entryPoint = /@compute[^{]*?fn\s+(\w+)/g

/** What a .wgsl file can be compiled to. */
interface Offers {
  entries: string[]
  forms: number[]
  /** `#if` constants that are true or false. */
  flags: string[]
  /** `#if NAME > limit`: NAME comes in two kinds. */
  limits: [name: string, limit: number][]
}

/** FORM's values are those that the text names (`FORM 2` in the comment at its top, `#if FORM == 2`) and its default. */
function offers(source: string): Offers {
  const conditions = [...source.matchAll(/^#if !?(\w+)(?: > (\d+))?/gm)]
  const named = [...source.matchAll(/\bFORM (?:== )?(\d+)(?: to (\d+))?|^const FORM = (\d+)/gm)]
  const ranges = named.map(([, first, last, fallback]) => [Number(first ?? fallback), Number(last ?? first ?? fallback)])
  const forms = new Set(ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i)))
  const declared = /^const FORM = /m.test(source)
  return {
    entries: [...source.matchAll(entryPoint)].map((m) => m[1]),
    forms: declared ? [...forms].sort((a, b) => a - b) : [],
    flags: [...new Set(conditions.map((m) => m[1]))].filter((name) => typeof fallback(source, name) === 'boolean'),
    limits: [...new Map(conditions.filter(([, name, limit]) => limit && name !== 'FORM').map(([, name, limit]) => [name, Number(limit)]))],
  }
}

/** What no check covers, in words: entry points, forms and flags of the kernels, and checks of files that are not there. */
export function uncovered(shaders: Record<string, string>, table: Record<string, Check[]> = checks): string[] {
  const gone = Object.keys(table).filter((file) => !(file in shaders))
  return [
    ...gone.map((file) => `src/doctor/checks has a check for shaders/${file}.wgsl, which does not exist`),
    ...Object.entries(shaders).flatMap(([file, source]) =>
      missing(source, table[file] ?? []).map((what) => `shaders/${file}.wgsl: ${what} has no check in src/doctor/checks`),
    ),
  ]
}

function missing(source: string, all: Check[]): string[] {
  const { entries, forms, flags, limits } = offers(source)
  return entries.flatMap((entry) => {
    const sets = all.filter((check) => (check.entry ?? 'main') === entry).flatMap((check) => check.forms.map((f) => f.constants ?? {}))
    if (!sets.length) return [`the entry point ${entry}`]
    const given = (c: Constants, name: string) => c[name] ?? fallback(source, name)
    const has = (wanted: Constants) => sets.some((c) => Object.entries(wanted).every(([name, value]) => given(c, name) === value))
    const either = flags.flatMap((flag) => [{ [flag]: true }, { [flag]: false }])
    // Each function has a way back.
    const directions = flags.includes('BACKWARD') ? [{ BACKWARD: true }, { BACKWARD: false }] : [{}]
    const formed = forms.flatMap((FORM) => directions.map((direction): Constants => ({ FORM, ...direction })))
    const kinds = limits.flatMap(([name, limit]) =>
      [true, false]
        .filter((above) => !sets.some((c) => Number(given(c, name)) > limit === above))
        .map((above) => `${entry}, ${name} ${above ? '>' : '≤'} ${limit},`),
    )
    return [...[...formed, ...either].filter((wanted) => !has(wanted)).map((wanted) => `${entry}, ${describe(wanted)},`), ...kinds]
  })
}

const describe = (constants: Constants) =>
  Object.entries(constants)
    .map(([name, value]) => `${name} = ${value}`)
    .join(', ')

/** The file's own value of a constant. */
function fallback(source: string, name: string): Constants[string] | undefined {
  const text = new RegExp(`^const ${name} = (\\w+);`, 'm').exec(source)?.[1]
  return text === 'true' || text === 'false' ? text === 'true' : Number.parseInt(text ?? '', 10)
}
