import type { Module } from '../../src/models/modules'
import { pythonRegex } from '../../src/peft/python_regex'
import { matchTargets, type TargetConfig } from '../../src/peft/targets'
import { assert, fixture, test } from '../harness'

interface Table {
  models: Record<string, [name: string, kind: Module['kind']][]>
  cases: {
    model: string
    config: Record<string, unknown>
    error?: string
    matched?: [place: number, r: number, alpha: number, scaling: number][]
  }[]
}

/** Python's syntax that JavaScript cannot say: refused by name, where PEFT matches. */
const refused: [config: RegExp, message: RegExp][] = [
  [/\(\?i:KEY/, /flags for a part \(\?i:…\) is not supported/],
  [/\(\?\(1\)/, /a condition \(\?\(…\)…\) is not supported/],
  [/\\d\+\+/, /a possessive repeat \(\+\+\) is not supported/],
  [/\(\?>1/, /an atomic group \(\?>…\) is not supported/],
]

const table = async () => JSON.parse(new TextDecoder().decode(await fixture('peft/targets.json'))) as Table
const camel = (key: string) => key.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase())

const { models, cases } = await table()
const refusalOf = (config: object) => refused.findIndex(([pattern]) => pattern.test(JSON.stringify(config).replaceAll('\\\\', '\\')))

test('the table that PEFT made is large, and has each kind of syntax that is refused here', () => {
  assert.ok(cases.length >= 60)
  assert.is(new Set(cases.map(({ config }) => refusalOf(config)).filter((n) => n >= 0)).size, refused.length)
})

for (const { model, config, error, matched } of cases)
  test(`as PEFT: ${model} ${JSON.stringify(config)}`, async () => {
    const modules = models[model].map(([name, kind]): Module => ({ name, kind }))
    const defaults = model === 'nested' ? null : ['query', 'value']
    const ours: TargetConfig = { targetModules: defaults, ...Object.fromEntries(Object.entries(config).map(([k, v]) => [camel(k), v])) }
    const refusal = refusalOf(config)
    if (error || refusal >= 0) return assert.rejects(() => matchTargets(modules, ours), refused[refusal]?.[1] ?? /./)
    const found = (await matchTargets(modules, ours)).map(({ name, r, scaling }) => ({ name, r, scaling }))
    const wanted = (matched ?? []).map(([place, r, , scaling]) => ({ name: modules[place].name, r, scaling }))
    assert.equal(found, wanted)
  })

test('Python’s regular expressions: what is spelled otherwise, what is refused', async () => {
  const matches: [pattern: string, text: string, full: boolean][] = [
    ['é\\w', 'éü', true],
    ['\\d', '٣', true],
    ['\\w', '.', false],
    ['\\bé', 'é', true],
    ['a\\b.é', 'a.é', true],
    ['é\\bé', 'éé', false],
    ['[\\w.]+', 'a.é', true],
    ['[^\\d]', '1', false],
    ['[a\\-z]', 'b', false],
    ['[-a]', '-', true],
    ['[a-]', '-', true],
    ['[\\]x]', ']', true],
    ['a{2}', 'aa', true],
    ['a{,2}b', 'aab', true],
    ['a{x', 'a{x', true],
    ['a{,}', 'a{,}', true],
    ['(?x)a b # c', 'ab', true],
    ['(?i)É', 'é', true],
    ['a|ab', 'ab', true],
    ['.', '\n', false],
    ['(?s).', '\n', true],
    ['\\U0001f600', '😀', true],
    ['.', '😀', true],
  ]
  for (const [pattern, text, full] of matches) assert.is(pythonRegex(pattern, 'p').fullmatch(text), full, `${pattern} on ${text}`)
  assert.ok(pythonRegex('ab', 'p').match('abc'))
  assert.not(pythonRegex('b', 'p').match('ab'))
  const bad: [pattern: string, message: RegExp][] = [
    ['(a)?\\1', /group that may take no part is not supported/],
    ['(?:(a)|b)\\1', /group that may take no part is not supported/],
    ['a*+', /possessive repeat \(\*\+\)/],
    ['a{2}{3}', /multiple repeat/],
    ['a**', /multiple repeat/],
    ['(?L)a', /flag \(\?L\)/],
    ['\\N{DIGIT ONE}', /not supported: \\N/],
    ['[\\W]', /\\W inside/],
    ['(?<n>a)', /unknown extension \(\?<n/],
    ['a)', /unbalanced parenthesis/],
    ['[a', /unterminated character set/],
    ['a\\', /bad escape at the end/],
  ]
  for (const [pattern, message] of bad) await assert.rejects(() => pythonRegex(pattern, 'p'), message)
})
