import type { TensorEntry } from '../io'

/** `peft_type` of the files that the paper's program writes. */
export const authorsType = 'ConditionalLORA'

/** Their adapter_config.json in our keys. @throws Error on a variant that they do not have */
export function fromAuthors(json: Record<string, unknown>, file: string): Record<string, unknown> {
  const { use_x: x, lora_x_scaling: scaling, ...rest } = json
  const ours = { ...rest, peft_type: 'CONDLORA', conversion: 'code', dropout_placement: 'input' }
  // "noe" is the default that a misspelling in their program gives.
  if (x === undefined || x === null || x === 'none' || x === 'noe') return ours
  if (x !== 'type1' && x !== 'type2') throw new Error(`${file}: use_x: wanted "none", "type1" or "type2", got ${JSON.stringify(x)}`)
  return { ...ours, use_x: x, lora_x_scaling: scaling }
}

/** Their tensors under our names: `query.linear_for_lora_A` is Θa of the role that ends with `query`, `linear_for_lora_x` is Θx. */
export function authorsTensors(stored: Map<string, TensorEntry>, wanted: readonly string[]): Map<string, TensorEntry> {
  const all = new Map(stored)
  for (const name of wanted) {
    const [, kind, side] = /([^.]+)\.theta_([ABx])$/.exec(name) ?? []
    const own = new RegExp(`(^|\\.)${side === 'x' ? '' : `${kind}\\.`}linear_for_lora_${side}(\\.weight)?$`)
    const theirs = [...all.keys()].find((key) => own.test(key))
    const entry = kind && theirs ? all.get(theirs) : undefined
    if (!entry || !theirs) continue
    all.delete(theirs)
    all.set(name, entry)
  }
  return all
}
