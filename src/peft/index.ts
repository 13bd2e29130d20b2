export { type ParameterCounts, trainableParameters } from './adapter'
export { type PeftConfig, peftConfig } from './config'
export { type CallablePeftModel, countsLine, getPeftModel, PeftModel } from './model'
