import type * as v from 'valibot'
import type { Kind } from './method'
import { kindOf, type PeftConfig, peftConfig, type ResolvedPeftConfig } from './methods'

const camel = (key: string) => key.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase())
const snake = (key: string) => key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)
const keysOf = ({ schema }: Kind<v.GenericSchema>) => Object.keys((schema as unknown as { entries: object }).entries)

/**
 * Reads adapter_config.json as PEFT does: unknown keys are ignored; one that asks for something that is lacking here is
 * an error.
 */
export async function configFromJson(
  json: Record<string, unknown>,
  file: string,
  changes: Partial<PeftConfig> = {},
): Promise<ResolvedPeftConfig> {
  const { peft_type: peftType, ...rest } = json
  const kind = await kindOf({ peftType }, file)
  const [own, written] = [keysOf(kind), await kind.written()]
  const known: Record<string, unknown> = { peftType }
  for (const [key, value] of Object.entries(rest)) {
    if (own.includes(camel(key))) {
      if (value !== null || key === 'base_model_name_or_path') known[camel(key)] = value
    } else if (key in written && !same(value, written[key]) && !idle(key, value))
      throw new Error(`${file}: ${key}: ${JSON.stringify(value)} is not supported yet (only ${JSON.stringify(written[key])})`)
  }
  return peftConfig({ ...known, ...changes } as unknown as PeftConfig, file)
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

// Notes and starting values that change nothing once the adapter's tensors are there.
const idle = (key: string, value: unknown) =>
  value === null || value === false || ['peft_version', 'init_weights', 'inference_mode', 'revision', 'auto_mapping'].includes(key)

/** adapter_config.json as PEFT writes it, with all of its keys. */
export async function configToJson(config: ResolvedPeftConfig): Promise<Record<string, unknown>> {
  const kind = await kindOf(config)
  const values = config as unknown as Record<string, unknown>
  const own = ['peftType', ...keysOf(kind)].filter((key) => !kind.unwritten?.includes(key))
  const all = { ...(await kind.written()), ...Object.fromEntries(own.map((key) => [snake(key), values[key] ?? null])) }
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)))
}
