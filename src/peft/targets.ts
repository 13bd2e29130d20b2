import { linearsOf, type Module, modulesOf } from '../models/modules'
import type { SequenceClassifier } from '../models/sequence_classification'
import type { Linear } from '../nn/linear'
import type { PythonRegex } from './python_regex'
import { heads, savedModules } from './saved_modules'

type Compile = (pattern: string, what: string) => PythonRegex

/** The keys of a configuration that say what is adapted, and at which rank and scale. */
export interface TargetConfig {
  targetModules?: string | string[] | null
  excludeModules?: string | string[] | null
  layersToTransform?: number | number[] | null
  layersPattern?: string | string[] | null
  modulesToSave?: string[] | null
  taskType?: 'SEQ_CLS' | null
  r?: number
  loraAlpha?: number
  useRslora?: boolean
  rankPattern?: Record<string, number>
  alphaPattern?: Record<string, number>
}

export interface Match {
  name: string
  r: number
  /** loraAlpha / r, or / √r. */
  scaling: number
}

/** A layer to adapt, with its rank and scale. */
export interface Target extends Omit<Match, 'name'> {
  layer: Linear
}

/**
 * The modules that PEFT would adapt, in the model's order. A list's name equals a path or ends it after a dot; a string is
 * a regular expression of Python for the whole path; excludeModules and modulesToSave win.
 * @throws Error where nothing matches, where something matches that is no linear layer, and where keys contradict
 */
export async function matchTargets(modules: readonly Module[], config: TargetConfig): Promise<Match[]> {
  const { targetModules: targets, layersToTransform, layersPattern } = config
  if (!targets) throw new Error('targetModules: wanted names, a regular expression or "all-linear", got none')
  if (typeof targets === 'string')
    for (const [key, value] of Object.entries({ layersToTransform, layersPattern }))
      if (value !== undefined && value !== null) throw new Error(`${key} cannot be used when targetModules is a string`)
  if (layersPattern?.length && (layersToTransform === undefined || layersToTransform === null))
    throw new Error('layersPattern: layersToTransform must be given too')
  const regex = await compiler(config)
  const wanted = wants(modules, config, regex)
  const left = leftOut(config, regex)
  const found = modules.filter(({ name }) => !left(name) && wanted(name))
  if (!found.length) throw new Error(`targetModules: ${JSON.stringify(targets)} matches no linear layer; ${candidates(modules)}`)
  const other = found.find(({ kind }) => kind !== 'linear' && kind !== 'conv1d')
  if (other) throw new Error(`targetModules: ${other.name} is no linear layer; ${candidates(modules)}`)
  const [rankOf, alphaOf] = (['rankPattern', 'alphaPattern'] as const).map((key) => byPattern(key, config[key], regex))
  return found.map(({ name }) => {
    const r = rankOf(name) ?? config.r ?? 8
    const alpha = alphaOf(name) ?? config.loraAlpha ?? 8
    return { name, r, scaling: alpha / (config.useRslora ? Math.sqrt(r) : r) }
  })
}

/** The layers of a model that `matchTargets` finds. */
export async function findTargets(model: SequenceClassifier, config: TargetConfig): Promise<Target[]> {
  const byName = new Map(linearsOf(model).map((layer) => [layer.name, layer]))
  return (await matchTargets(modulesOf(model), config)).map(({ name, ...rest }) => ({ layer: byName.get(name) as Linear, ...rest }))
}

/** What reads patterns. Python's syntax is loaded where one is given: most give names alone. */
async function compiler(config: TargetConfig): Promise<Compile> {
  const { targetModules, excludeModules, layersToTransform, rankPattern, alphaPattern } = config
  const strings = [targetModules, excludeModules].some((each) => typeof each === 'string')
  const keys = [...Object.keys(rankPattern ?? {}), ...Object.keys(alphaPattern ?? {})]
  const words = savedModules(config).every((name) => /^\w+$/.test(name))
  if (strings || keys.length || !words || (layersToTransform ?? undefined) !== undefined)
    return (await import('./python_regex')).pythonRegex
  const match = (pattern: string) => (text: string) => new RegExp(`^(?:${pattern})`).exec(text)
  return (pattern) => ({ match: match(pattern), fullmatch: (text) => match(`${pattern}$`)(text) !== null })
}

function leftOut({ excludeModules: excluded, ...config }: TargetConfig, regex: Compile): (name: string) => boolean {
  const saved = savedModules(config).map((m) => regex(`(^|.*\\.)${m}($|\\..*)`, 'modulesToSave'))
  const byName =
    typeof excluded === 'string' && excluded
      ? regex(excluded, 'excludeModules').fullmatch
      : (name: string) => Array.isArray(excluded) && excluded.some((e) => endsWith(name, e))
  return (name) => byName(name) || saved.some((expression) => expression.match(name) !== null)
}

function wants(modules: readonly Module[], config: TargetConfig, regex: Compile): (name: string) => boolean {
  const targets = config.targetModules as string | string[]
  if (typeof targets === 'string') {
    if (targets.toLowerCase() !== 'all-linear') return regex(targets, 'targetModules').fullmatch
    const linear = modules.filter(({ name, kind }) => /^(linear|conv1d)$/.test(kind) && !(config.taskType && heads.includes(name)))
    const names = new Set(linear.map(({ name }) => name))
    return (name) => names.has(name)
  }
  const inLayers = layerFilter(config, regex)
  return (name) => targets.includes(name) || (targets.some((t) => name.endsWith(`.${t}`)) && inLayers(name))
}

/** layersToTransform: by the first number in a path, or the first behind one of layersPattern. */
function layerFilter({ layersToTransform, layersPattern }: TargetConfig, regex: Compile): (name: string) => boolean {
  const layers = typeof layersToTransform === 'number' ? [layersToTransform] : (layersToTransform ?? [])
  if (!layers.length) return () => true
  const patterns = typeof layersPattern === 'string' && layersPattern ? [layersPattern] : [...(layersPattern ?? [])]
  const sources = patterns.length ? patterns.map((p) => `(?:^|.*?\\.)${p}\\.(?P<idx>\\d+)\\.`) : ['.*?\\.[^.]*\\.(?P<idx>\\d+)\\.']
  const expressions = sources.map((source) => regex(source, 'layersPattern'))
  return (name) => {
    const found = expressions.map((e) => e.match(name)).find((m) => m)
    return found !== undefined && layers.includes(Number(found?.groups?.idx))
  }
}

/** PEFT: the value of the first key that ends the path after a dot, or is it, as a regular expression. */
function byPattern(what: string, patterns: Record<string, number> = {}, regex: Compile): (name: string) => number | undefined {
  const all = Object.entries(patterns).map(([key, value]) => ({ expression: regex(`(.*\\.)?(${key})$`, what), value }))
  return (name) => all.find(({ expression }) => expression.match(name))?.value
}

const endsWith = (name: string, end: string) => name === end || name.endsWith(`.${end}`)

function candidates(modules: readonly Module[]): string {
  const roles = new Set(modules.filter(({ kind }) => kind === 'linear').map(({ name }) => roleOf(name)))
  return `the linear layers of this model are ${[...roles].join(', ')}`
}

/** The path of a module inside its layer: `attention.self.query` of `roberta.encoder.layer.3.attention.self.query`. */
export function roleOf(path: string): string {
  return /^.*?\.\d+\.(.+)$/.exec(path)?.[1] ?? path
}
