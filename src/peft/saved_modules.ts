import type { TargetConfig } from './targets'

/** What PEFT trains whole for classification, whatever the model calls its head. */
export const heads = ['classifier', 'score']

/** Modules trained and saved whole. */
export const savedModules = ({ modulesToSave, taskType }: TargetConfig) => [
  ...new Set([...(modulesToSave ?? []), ...(taskType ? heads : [])]),
]
