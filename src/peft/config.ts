import * as v from 'valibot'
import { validate } from '../io'

const positive = v.pipe(v.number(), v.integer(), v.minValue(1))
const names = v.array(v.pipe(v.string(), v.nonEmpty()))
const rate = v.pipe(v.number(), v.minValue(0), v.ltValue(1))

export const schema = v.strictObject({
  /** LORA, CONDLORA, or HEAD: the classification head alone. */
  peftType: v.picklist(['LORA', 'CONDLORA', 'HEAD']),
  /** Rank of ΔW. */
  r: v.optional(positive, 8),
  /** The adapter's scale is loraAlpha / r. */
  loraAlpha: v.optional(v.pipe(v.number(), v.finite(), v.gtValue(0)), 8),
  /** Dropout on the adapter's input. */
  loraDropout: v.optional(rate, 0),
  /** Names (`query`: equal, or the end of a module path after a dot), a regular expression for whole paths, or `all-linear`. */
  targetModules: v.optional(v.union([v.string(), names]), ['query', 'value']),
  /** Modules trained and saved whole; default: the classification head. */
  modulesToSave: v.optional(names),
  /** LoRA: scale loraAlpha / √r instead. */
  useRslora: v.optional(v.boolean(), false),
  /** LoRA: other ranks and alphas by the end of a module path. */
  rankPattern: v.optional(v.record(v.string(), positive), {}),
  alphaPattern: v.optional(v.record(v.string(), v.pipe(v.number(), v.finite())), {}),
  /** CondLoRA: how A comes from W0: Θa·W0ᵀ as the authors' program (square W0), or Θa·W0 (`rectangular`, any shape). */
  conversion: v.optional(v.picklist(['code', 'rectangular']), 'code'),
  /** CondLoRA: where loraDropout acts: before the adapter alone, or before the frozen product too (the authors' program). */
  dropoutPlacement: v.optional(v.picklist(['adapter', 'input']), 'adapter'),
  taskType: v.optional(v.literal('SEQ_CLS'), 'SEQ_CLS'),
  baseModelNameOrPath: v.optional(v.nullable(v.string()), null),
})

/** What PEFT calls LoraConfig, in camelCase; see the comments above each key in `config.ts`. */
export type PeftConfig = v.InferInput<typeof schema>
export type ResolvedPeftConfig = v.InferOutput<typeof schema>

export const onlyFor: Partial<Record<keyof ResolvedPeftConfig, ResolvedPeftConfig['peftType']>> = {
  useRslora: 'LORA',
  rankPattern: 'LORA',
  alphaPattern: 'LORA',
  conversion: 'CONDLORA',
  dropoutPlacement: 'CONDLORA',
}

/** Checks a configuration and fills in PEFT's defaults. @throws TypeError naming the key, what was wanted and what was given */
export function peftConfig(config: PeftConfig, what = 'peft config'): ResolvedPeftConfig {
  const full = validate(schema, config, what)
  for (const [key, type] of Object.entries(onlyFor) as [keyof ResolvedPeftConfig, string][])
    if (config[key] !== undefined && full.peftType !== type && !isDefault(key, config[key]))
      throw new TypeError(`${what}: ${key} is an option of peftType ${type}, not of ${full.peftType}`)
  return full
}

const isDefault = (key: keyof ResolvedPeftConfig, value: unknown) =>
  JSON.stringify(value) === JSON.stringify(validate(schema, { peftType: 'LORA' }, 'defaults')[key])
