import type { Linear } from '../nn/linear'
import type { ResolvedPeftConfig } from './config'

/** A layer to adapt, with its rank and scale. */
export interface Target {
  layer: Linear
  r: number
  /** loraAlpha / r, or / √r. */
  scaling: number
}

/**
 * The layers that `targetModules` names, as PEFT matches them: a name equals a module path or ends it after a dot; a
 * string is a regular expression for the whole path.
 * @throws Error where a name matches no linear layer
 */
export function findTargets(layers: Linear[], config: ResolvedPeftConfig): Target[] {
  return matching(layers, config.targetModules).map((layer) => {
    const r = byPattern(config.rankPattern, layer.name) ?? config.r
    const alpha = byPattern(config.alphaPattern, layer.name) ?? config.loraAlpha
    return { layer, r, scaling: alpha / (config.useRslora ? Math.sqrt(r) : r) }
  })
}

function matching(layers: Linear[], targets: string | string[]): Linear[] {
  if (targets === 'all-linear') return layers
  if (typeof targets === 'string') {
    const whole = regularExpression(targets)
    const found = layers.filter((l) => whole.test(l.name))
    if (!found.length) throw noMatch(targets, layers)
    return found
  }
  if (!targets.length) throw noMatch('(an empty list)', layers)
  const matches = (name: string, target: string) => name === target || name.endsWith(`.${target}`)
  for (const target of targets) if (!layers.some((l) => matches(l.name, target))) throw noMatch(target, layers)
  return layers.filter((l) => targets.some((t) => matches(l.name, t)))
}

function noMatch(target: string, layers: Linear[]): Error {
  const roles = [...new Set(layers.map((l) => roleOf(l.name)))]
  return new Error(`targetModules: ${JSON.stringify(target)} matches no linear layer; each layer of this model has ${roles.join(', ')}`)
}

/** Python's named groups are written otherwise; what else JavaScript lacks is refused. */
function regularExpression(pattern: string): RegExp {
  try {
    return new RegExp(`^(?:${pattern.replaceAll('(?P<', '(?<')})$`, 'u')
  } catch (thrown) {
    throw new Error(`targetModules: ${JSON.stringify(pattern)} is not a regular expression here: ${(thrown as Error).message}`)
  }
}

/** PEFT: the first key that ends the path after a dot, or is it, as a regular expression. */
function byPattern(patterns: Record<string, number>, name: string): number | undefined {
  return Object.entries(patterns).find(([key]) => new RegExp(`^(?:.*\\.)?(?:${key.replaceAll('(?P<', '(?<')})$`).test(name))?.[1]
}

/** The path of a module inside its layer: `attention.self.query` of `roberta.encoder.layer.3.attention.self.query`. */
export function roleOf(path: string): string {
  return /^.*?\.\d+\.(.+)$/.exec(path)?.[1] ?? path
}
