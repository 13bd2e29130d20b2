import { onlyFor, type PeftConfig, peftConfig, type ResolvedPeftConfig, schema } from './config'
import { writtenDefaults } from './written_defaults'

const camel = (key: string) => key.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase())
const snake = (key: string) => key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)

/**
 * Reads adapter_config.json as PEFT does: unknown keys are ignored; one that asks for something that is lacking here is
 * an error.
 */
export function configFromJson(json: Record<string, unknown>, file: string): ResolvedPeftConfig {
  const known: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(json)) {
    if (camel(key) in schema.entries) {
      if (value !== null || key === 'base_model_name_or_path') known[camel(key)] = value
    } else if (key in writtenDefaults && !same(value, writtenDefaults[key]) && !idle(key, value))
      throw new Error(`${file}: ${key}: ${JSON.stringify(value)} is not supported yet (only ${JSON.stringify(writtenDefaults[key])})`)
  }
  if (known.peftType === 'HEAD') known.targetModules = []
  return peftConfig(known as PeftConfig, file)
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

// Notes and starting values that change nothing once the adapter's tensors are there.
const idle = (key: string, value: unknown) =>
  value === null || value === false || ['peft_version', 'init_lora_weights', 'inference_mode', 'revision', 'auto_mapping'].includes(key)

/** adapter_config.json as PEFT writes it: LoRA with all of PEFT's keys, the others with their own. */
export function configToJson(config: ResolvedPeftConfig): Record<string, unknown> {
  const { peftType } = config
  const mine = Object.entries(config)
    .filter(([key]) => !(key in onlyFor) || onlyFor[key as keyof ResolvedPeftConfig] === peftType)
    .filter(([key]) => peftType !== 'HEAD' || ['peftType', 'modulesToSave', 'taskType', 'baseModelNameOrPath'].includes(key))
    .map(([key, value]) => [snake(key), value ?? null])
  const all = { ...(peftType === 'LORA' ? writtenDefaults : { inference_mode: true }), ...Object.fromEntries(mine) }
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)))
}
