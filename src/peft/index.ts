export { type ParameterCounts, trainableParameters } from './adapter'
export { type PeftConfig, peftConfig } from './methods'
export { type CallablePeftModel, countsLine, getPeftModel, type LoadOptions as PeftLoadOptions, PeftModel } from './model'
