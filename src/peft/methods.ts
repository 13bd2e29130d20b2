import type * as v from 'valibot'
import { validate } from '../io'
import type { Kind } from './method'
import { bitfit, full, head } from './whole'

/** Every method by its `peftType`. Those that are more than a list of tensors are loaded when a configuration names them. */
export const methods = {
  LORA: async () => (await import('./lora_kind')).lora,
  CONDLORA: async () => (await import('./condlora')).condlora,
  VERA: async () => (await import('./vera')).vera,
  FOURIERFT: async () => (await import('./fourierft')).fourierft,
  LORA_XS: async () => (await import('./lora_xs')).loraXs,
  HEAD: async () => head,
  BITFIT: async () => bitfit,
  FULL: async () => full,
}

type Methods = { [Type in keyof typeof methods]: Awaited<ReturnType<(typeof methods)[Type]>> }

/** What PEFT calls LoraConfig and the like, in camelCase: `{ peftType: 'LORA', r: 8 }`. */
export type PeftConfig = { [Type in keyof Methods]: { peftType: Type } & v.InferInput<Methods[Type]['schema']> }[keyof Methods]

/** A configuration with its defaults. */
export type ResolvedPeftConfig = { [Type in keyof Methods]: { peftType: Type } & v.InferOutput<Methods[Type]['schema']> }[keyof Methods]

/** The method of a configuration. @throws TypeError on a type that is none */
export async function kindOf({ peftType }: { peftType?: unknown }, what = 'peft config'): Promise<Kind<v.GenericSchema>> {
  const load = Object.entries(methods).find(([type]) => type === peftType)?.[1]
  if (!load) throw new TypeError(`${what}: peftType: wanted ${Object.keys(methods).join(' or ')}, got ${JSON.stringify(peftType)}`)
  return (await load()) as unknown as Kind<v.GenericSchema>
}

/** Checks a configuration and fills in PEFT's defaults. @throws TypeError naming the key, what was wanted and what was given */
export async function peftConfig({ peftType, ...options }: PeftConfig, what = 'peft config'): Promise<ResolvedPeftConfig> {
  const kind = await kindOf({ peftType }, what)
  return { peftType, ...(validate(kind.schema, options, what) as object) } as ResolvedPeftConfig
}
