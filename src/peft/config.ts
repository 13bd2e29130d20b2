import * as v from 'valibot'

/** A whole number above 0. */
export const positive = v.pipe(v.number(), v.integer(), v.minValue(1))
export const finite = v.pipe(v.number(), v.finite())
/** A share below 1. */
export const rate = v.pipe(v.number(), v.minValue(0), v.ltValue(1))
const names = v.array(v.pipe(v.string(), v.nonEmpty()))

/** What every method takes. */
export const common = {
  /** Modules trained and saved whole: all whose path ends with one of these names. The classification head always is. */
  modulesToSave: v.optional(names),
  taskType: v.optional(v.literal('SEQ_CLS'), 'SEQ_CLS'),
  /** The base model's folder or name. */
  baseModelNameOrPath: v.optional(v.nullable(v.string()), null),
}

/** What methods take that adapt linear layers. */
export const targeting = {
  ...common,
  /** Names (`query`: equal, or the end of a module path after a dot), a regular expression for whole paths, or `all-linear`. */
  targetModules: v.optional(v.union([v.string(), names]), ['query', 'value']),
  /** Not these, though targetModules matches them. */
  excludeModules: v.optional(v.union([v.string(), names])),
  /** Of the layers that names match, those with these numbers. */
  layersToTransform: v.optional(v.union([v.number(), v.array(v.number())])),
  /** What stands before the number, e.g. `layer`. */
  layersPattern: v.optional(v.union([v.string(), names])),
  /** Biases that are trained along: none, all of the model, or those of the adapted layers. */
  bias: v.optional(v.picklist(['none', 'all', 'lora_only']), 'none'),
  /** PEFT's, for Conv1D: says nothing here, where no layer is one. */
  fanInFanOut: v.optional(v.boolean(), false),
}
