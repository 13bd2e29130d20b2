export { AdamW, type AdamWOptions, type ParameterGroup, type StepStatus } from './adamw'
export type { TrainingArguments } from './arguments'
export type { BeginEvent, MemoryForecast } from './forecast'
export type { Metrics } from './metrics'
export { Trainer } from './trainer'
export type {
  FirstStepEvent,
  LogEvent,
  ProgressEvent,
  RecoverEvent,
  StepEvent,
  TrainerEvents,
  TrainerOptions,
  TrainOptions,
  TrainOutput,
} from './trainer_types'
export { StepTimeoutError } from './watch'
