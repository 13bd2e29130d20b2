/** What PEFT uses of Python's `re`: matching at the start, and of the whole. */
export interface PythonRegex {
  match(text: string): RegExpMatchArray | null
  fullmatch(text: string): boolean
}

/**
 * A regular expression in Python's syntax, for strings. What JavaScript spells otherwise is translated; what it lacks
 * (atomic groups, possessive repeats, conditions, flags inside) is refused by name.
 * @throws Error that begins with `what`
 */
export function pythonRegex(pattern: string, what: string): PythonRegex {
  try {
    const { source, flags } = new Translation(pattern).run()
    return {
      match: (text) => new RegExp(`^(?:${source})`, flags).exec(text),
      fullmatch: (text) => new RegExp(`^(?:${source})$`, flags).test(text),
    }
  } catch (thrown) {
    throw new Error(`${what}: ${JSON.stringify(pattern)} is not a regular expression here: ${(thrown as Error).message}`)
  }
}

// Python's classes are Unicode's.
const classes: Record<string, string> = { d: '\\p{Nd}', w: '\\p{L}\\p{N}_', s: '\\s' }
const word = `[${classes.w}]`
const boundary = `(?:(?<=${word})(?!${word})|(?<!${word})(?=${word}))`
const controls: Record<string, number> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 }

class Translation {
  #at = 0
  #flags = ''
  /** Captures open or closed so far, by what `(` began: whether a repeat of this group may skip a capture. */
  #captures = 0
  #mayBeUnset = false
  #refersBack = false

  constructor(private readonly pattern: string) {}

  run(): { source: string; flags: string } {
    this.#leadingFlags()
    const source = this.#alternatives()
    if (this.#at < this.pattern.length) throw new Error('unbalanced parenthesis')
    // JavaScript lets a reference to a group that took no part match nothing; in Python it fails.
    if (this.#refersBack && this.#mayBeUnset) throw new Error('a reference to a group that may take no part is not supported')
    return { source, flags: `u${this.#flags.replace(/[xau]/g, '')}` }
  }

  #leadingFlags(): void {
    const [all, flags] = /^\(\?([a-zA-Z]+)\)/.exec(this.pattern) ?? ['', '']
    const bad = [...flags].find((f) => !'imsxu'.includes(f))
    if (bad) throw new Error(`the flag (?${bad}) is not supported`)
    this.#flags = [...new Set(flags)].join('')
    this.#at = all.length
  }

  #has(text: string): boolean {
    return this.pattern.startsWith(text, this.#at)
  }

  #take(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.#at
    const found = expression.exec(this.pattern)
    if (found) this.#at += found[0].length
    return found
  }

  #alternatives(): string {
    const parts = [this.#sequence()]
    while (this.#has('|')) {
      this.#at++
      this.#mayBeUnset = true
      parts.push(this.#sequence())
    }
    return parts.join('|')
  }

  #sequence(): string {
    let out = ''
    for (;;) {
      if (this.#flags.includes('x')) this.#take(/(?:\s|#[^\n]*)*/y)
      if (this.#at >= this.pattern.length || this.#has('|') || this.#has(')')) return out
      const before = this.#captures
      const item = this.#item()
      out += item + this.#repeat(item, this.#captures > before)
    }
  }

  #repeat(item: string, captures: boolean): string {
    if (this.#flags.includes('x')) this.#take(/(?:\s|#[^\n]*)*/y)
    const found = this.#take(/[*+?]|\{(\d*)(,?)(\d*)\}/y)
    if (!found) return ''
    const [all, least = '', comma = '', most = ''] = found
    if (all.startsWith('{') && !least && !most) {
      this.#at -= all.length
      return '' // {} and {,} are text
    }
    if (!item) throw new Error('nothing to repeat')
    if (this.#has('+')) throw new Error(`a possessive repeat (${all}+) is not supported`)
    if (captures && (all === '*' || all === '?' || !(Number(least) > 0 || all === '+'))) this.#mayBeUnset = true
    const lazy = this.#take(/\?/y) ? '?' : ''
    if (this.#take(/[*+]|\{\d*,?\d*\}/y)) throw new Error('multiple repeat')
    return (all.startsWith('{') ? `{${least || 0}${comma}${most}}` : all) + lazy
  }

  #item(): string {
    const c = this.pattern[this.#at]
    if (c === '(') return this.#group()
    if (c === '[') return this.#set()
    if (c === '\\') return this.#escape(false)
    if ('*+?'.includes(c)) throw new Error('nothing to repeat')
    const [char] = this.#take(/./suy) as RegExpExecArray
    if (char === '.') return this.#flags.includes('s') ? '[\\s\\S]' : '[^\\n]'
    return char === '^' || char === '$' ? char : literal(char)
  }

  #group(): string {
    const named = this.#take(/\(\?P<([A-Za-z_]\w*)>/y)
    if (named) return this.#inside(`(?<${named[1]}>`, true)
    const reference = this.#take(/\(\?P=([A-Za-z_]\w*)\)/y)
    if (reference) {
      this.#refersBack = true
      return `\\k<${reference[1]}>`
    }
    if (this.#take(/\(\?#[^)]*\)/y)) return ''
    const plain = this.#take(/\(\?(?::|=|!|<=|<!)/y)
    if (plain) return this.#inside(plain[0], false)
    if (!this.#has('(?')) {
      this.#at++
      return this.#inside('(', true)
    }
    const refused: [RegExp, string][] = [
      [/\(\?>/y, 'an atomic group (?>…)'],
      [/\(\?\(/y, 'a condition (?(…)…)'],
      [/\(\?[a-zA-Z]*-?[a-zA-Z]*:/y, 'flags for a part (?i:…)'],
    ]
    const which = refused.find(([start]) => this.#take(start))
    if (which) throw new Error(`${which[1]} is not supported`)
    if (this.#take(/\(\?[a-zA-Z]+\)/y)) throw new Error('global flags not at the start of the expression')
    throw new Error(`unknown extension ${this.pattern.slice(this.#at, this.#at + 4)}`)
  }

  #inside(open: string, captures: boolean): string {
    if (captures) this.#captures++
    const body = this.#alternatives()
    if (!this.#has(')')) throw new Error('missing ), unterminated subpattern')
    this.#at++
    return `${open}${body})`
  }

  /** [^]x[:a-f]: a first ] and any [ are text. */
  #set(): string {
    const [open] = this.#take(/\[\^?/y) as RegExpExecArray
    let out = ''
    for (let first = true; first || !this.#has(']'); first = false) {
      if (this.#at >= this.pattern.length) throw new Error('unterminated character set')
      if (this.#has('\\')) out += this.#escape(true)
      else {
        const [char] = this.#take(/./suy) as RegExpExecArray
        const range = char === '-' && out !== '' && !this.#has(']')
        out += range ? '-' : literal(char)
      }
    }
    this.#at++
    return `${open}${out}]`
  }

  #escape(inSet: boolean): string {
    this.#at++
    const octal = this.#take(inSet ? /[0-7]{1,3}/y : /0[0-7]{0,2}|[1-3][0-7]{2}/y)
    if (octal) return literal(String.fromCodePoint(Number.parseInt(octal[0], 8)))
    const reference = this.#take(/[1-9]\d?/y)
    if (reference) {
      this.#refersBack = true
      return `(?:\\${reference[0]})`
    }
    const code = this.#take(/x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})/y)
    if (code) return literal(String.fromCodePoint(Number.parseInt(code[1] ?? code[2] ?? code[3], 16)))
    const [char] = this.#take(/./suy) ?? ['']
    if (!char) throw new Error('bad escape at the end')
    const kind = char.toLowerCase()
    if (kind in classes) {
      if (char === kind) return inSet ? classes[kind] : `[${classes[kind]}]`
      if (!inSet) return `[^${classes[kind]}]`
      throw new Error(`\\${char} inside […] is not supported`)
    }
    if (!inSet && char === 'b') return boundary
    if (!inSet && char === 'A') return '(?<![\\s\\S])'
    if (!inSet && char === 'Z') return '(?![\\s\\S])'
    if (char in controls) return literal(String.fromCodePoint(controls[char]))
    if (/[A-Za-z0-9]/.test(char)) throw new Error(`${char === 'B' || char === 'N' ? 'not supported' : 'bad escape'}: \\${char}`)
    return literal(char)
  }
}

/** A character that stands for itself, in a set and out of it. */
function literal(char: string): string {
  return /[\w\u0080-\u{10ffff}]/u.test(char) ? char : `\\u{${(char.codePointAt(0) as number).toString(16)}}`
}
