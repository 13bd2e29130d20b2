import type { TensorEntry } from '../io'

/** `peft_type` of the files that the paper's program writes. */
export const authorsType = 'ConditionalLORA'

/** Their adapter_config.json in our keys. @throws Error on their x-dependent variants */
export function fromAuthors(json: Record<string, unknown>, file: string): Record<string, unknown> {
  const { use_x: x = 'none' } = json
  // "noe" is the default that a misspelling in their program gives.
  if (x !== 'none' && x !== 'noe' && x !== null) throw new Error(`${file}: use_x: ${JSON.stringify(x)} is not supported yet (only "none")`)
  return { ...json, peft_type: 'CONDLORA', conversion: 'code', dropout_placement: 'input' }
}

/** Their tensors under our names: `query.linear_for_lora_A` is Θa of the role that ends with `query`. */
export function authorsTensors(stored: Map<string, TensorEntry>, wanted: readonly string[]): Map<string, TensorEntry> {
  const all = new Map(stored)
  for (const name of wanted) {
    const [, kind, side] = /([^.]+)\.theta_([AB])$/.exec(name) ?? []
    const theirs = [...all.keys()].find((key) => new RegExp(`(^|\\.)${kind}\\.linear_for_lora_${side}(\\.weight)?$`).test(key))
    const entry = kind && theirs ? all.get(theirs) : undefined
    if (!entry || !theirs) continue
    all.delete(theirs)
    all.set(name, entry)
  }
  return all
}
