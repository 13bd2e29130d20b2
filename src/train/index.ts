export { AdamW, type AdamWOptions, type ParameterGroup, type StepStatus } from './adamw'
export type { TrainingArguments } from './arguments'
export { computeMetrics, type Metrics } from './metrics'
export {
  type LogEvent,
  type ProgressEvent,
  Trainer,
  type TrainerEvents,
  type TrainerOptions,
  type TrainOptions,
  type TrainOutput,
} from './trainer'
