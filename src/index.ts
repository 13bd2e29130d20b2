// The public face. `condlora/ops` and `condlora/gpu` are the layers below.
export {
  AutoTokenizer,
  type Columns,
  type DataFile,
  type DataFormat,
  type Dataset,
  type GlueName,
  type GlueOptions,
  type GlueTask,
  glueTasks,
  IterableDataset,
  type LoadOptions,
  loadDataset,
  paperSplit,
  type Row,
  type ShuffleOptions,
  Tokenizer,
} from './data'
export { Device, DeviceLostError, GpuError, type OpenDeviceOptions, OutOfMemoryError, openDevice } from './gpu'
export {
  blobFiles,
  type CachedRepository,
  cachedRepositories,
  directoryFiles,
  droppedFiles,
  type Files,
  HubError,
  type HubOptions,
  type HubProgress,
  memoryFiles,
  openFolder,
  openHub,
  removeCached,
} from './io'
export { AutoModelForSequenceClassification, type CallableModel, type FromPretrainedOptions } from './models/auto'
export { type EncoderConfig, encoderConfig } from './models/config'
export type { TokenBatch } from './models/inputs'
export type { Prediction, TextTokenizer } from './models/predict'
export type { ModelDType } from './models/sequence_classification'
export {
  type CallablePeftModel,
  getPeftModel,
  type ParameterCounts,
  type PeftConfig,
  type PeftLoadOptions,
  PeftModel,
  trainableParameters,
} from './peft'
export type { Classify, ClassifyOptions, LabelScore, TextClassificationPipeline, TextInput } from './peft/pipeline'
export {
  type CallableTextClassification,
  TextClassification,
  type TextClassificationOptions,
} from './peft/text_classification'
export {
  type BeginEvent,
  type LogEvent,
  type MemoryForecast,
  type Metrics,
  type ProgressEvent,
  type RecoverEvent,
  type StepEvent,
  StepTimeoutError,
  Trainer,
  type TrainerEvents,
  type TrainerOptions,
  type TrainingArguments,
  type TrainOptions,
  type TrainOutput,
} from './train'
