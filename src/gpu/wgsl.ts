/**
 * The preprocessor of our .wgsl files. A file is complete, readable WGSL plus three directives:
 *
 * - `const NAME = value;` or `alias NAME = type;` (a line of its own): a default that `constants` may replace;
 * - `#if NAME`, `#if !NAME`, `#if NAME == v`, `#if NAME > v`, `#else`, `#endif`: over those constants;
 * - `#unroll` before `for (var i = 0u; i < N; i++) {`: the body is written N times, with i a constant.
 */
export type Constants = Record<string, number | boolean | string>

const constant = /^(const|alias)\s+(\w+)\s*=\s*([^;]+);(.*)$/
const half = /f16|4h\b/
const loop = /^\s*for \(var (\w+) = 0u; \1 < (\w+); \1\+\+\) \{\s*$/

/** Whether a kernel of these constants takes half floats: only devices with `shader-f16` compile it. */
export const takesHalf = (constants: Constants = {}): boolean => Object.values(constants).some((value) => half.test(String(value)))

/** Expands the directives of `source`. Throws on a constant that the file does not declare and on unbalanced `#if`. */
export function preprocess(source: string, constants: Constants = {}): string {
  const values = new Map<string, string>()
  const unknown = new Set(Object.keys(constants))
  const lines = source.split('\n').map((line) => {
    const found = constant.exec(line)
    if (!found) return line
    const [, keyword, name, fallback, rest] = found
    unknown.delete(name)
    const value = name in constants ? literal(constants[name]) : fallback.trim()
    values.set(name, value)
    return `${keyword} ${name} = ${value};${rest}`
  })
  if (unknown.size) throw new Error(`wgsl: no constant ${[...unknown].join(', ')} in this shader`)
  const text = unroll(choose(lines, values), values).join('\n')
  return [...values.values()].some((value) => half.test(value)) ? `enable f16; ${text}` : text
}

function literal(value: number | boolean | string): string {
  return typeof value === 'number' ? `${value}u` : String(value)
}

const number = (text = 'false') => (text === 'true' ? 1 : text === 'false' ? 0 : Number(text.replace(/[uif]$/, '')))

function holds(condition: string, values: Map<string, string>): boolean {
  // `!` negates the whole condition: `#if !FORM == 4`.
  const found = /^(!?)(\w+)(?:\s*(==|>)\s*(\w+))?$/.exec(condition.trim())
  const value = found ? values.get(found[2]) : undefined
  if (!found || value === undefined) throw new Error(`wgsl: cannot evaluate #if ${condition}`)
  const [, not, , op, right] = found
  const truth = op === '==' ? number(value) === number(right) : op === '>' ? number(value) > number(right) : number(value) !== 0
  return not ? !truth : truth
}

function choose(lines: string[], values: Map<string, string>): string[] {
  const stack: boolean[] = []
  const out: string[] = []
  for (const line of lines) {
    const [word, ...rest] = line.trim().split(/\s+/)
    if (word === '#if') stack.push(holds(rest.join(' '), values))
    else if (word === '#else') {
      const truth = stack.pop()
      if (truth === undefined) throw new Error('wgsl: #else without #if')
      stack.push(!truth)
    } else if (word === '#endif') {
      if (stack.pop() === undefined) throw new Error('wgsl: #endif without #if')
    } else if (stack.every(Boolean)) out.push(line)
  }
  if (stack.length) throw new Error('wgsl: #if without #endif')
  return out
}

function unroll(lines: string[], values: Map<string, string>): string[] {
  const out: string[] = []
  for (let at = 0; at < lines.length; at++) {
    if (lines[at].trim() !== '#unroll') {
      out.push(lines[at])
      continue
    }
    const head = loop.exec(lines[at + 1] ?? '')
    if (!head) throw new Error(`wgsl: #unroll wants 'for (var i = 0u; i < N; i++) {' in the next line, got '${lines[at + 1]?.trim()}'`)
    const count = number(values.get(head[2]) ?? head[2])
    if (Number.isNaN(count)) throw new Error(`wgsl: #unroll: ${head[2]} is no constant of this shader`)
    const end = closing(lines, at + 1)
    const body = unroll(lines.slice(at + 2, end), values)
    for (let i = 0; i < count; i++) out.push(`{ const ${head[1]} = ${i}u;`, ...body, '}')
    at = end
  }
  return out
}

function closing(lines: string[], start: number): number {
  let depth = 0
  for (let at = start; at < lines.length; at++) {
    for (const c of lines[at].replace(/\/\/.*/, '')) depth += c === '{' ? 1 : c === '}' ? -1 : 0
    if (depth === 0) return at
  }
  throw new Error('wgsl: #unroll: the loop is never closed')
}
