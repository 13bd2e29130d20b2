import type { Device } from '../../src/gpu'
import { type Files, openFolder } from '../../src/io'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { hostInputs } from '../../src/models/inputs'
import type { ModelForSequenceClassification } from '../../src/models/sequence_classification'
import type { Random } from '../../src/ops/philox'
import { type CallablePeftModel, getPeftModel, type PeftConfig } from '../../src/peft'
import { AdamW } from '../../src/train/adamw'
import { TrainingProgram } from '../../src/train/program'

/** A batch under the names that both sides give it. */
export interface Batch {
  input_ids: number[][]
  attention_mask: number[][]
  labels?: number[]
}

/** What both sides train with. */
export const settings = { lr: 2e-3, decay: 0.01, clip: 1, factors: [0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125] }
/** The standard deviation of what is added to a new adapter, so that nothing of it is zero. */
export const moved = 0.05
export const classes = 3

/** Rows of random tokens of many lengths, padded to the longest. */
export function randomBatch(random: Random, labelled = true): Batch {
  const lengths = Array.from({ length: 8 }, () => 4 + random.below(20))
  const most = Math.max(...lengths)
  const row = (n: number) => Array.from({ length: most }, (_, i) => (i === 0 ? 0 : i < n - 1 ? 4 + random.below(4000) : i < n ? 2 : 1))
  return {
    input_ids: lengths.map(row),
    attention_mask: lengths.map((n) => Array.from({ length: most }, (_, i) => (i < n ? 1 : 0))),
    ...(labelled ? { labels: lengths.map(() => random.below(classes)) } : {}),
  }
}

/** roberta-mini with a drawn head, written as transformers reads it, its tokenizer beside it. */
export async function writeBase(device: Device, target: Files): Promise<void> {
  const mini = openFolder('models/roberta-mini')
  const base = await AutoModelForSequenceClassification.fromPretrained(mini, { device, numLabels: classes, notice: () => {} })
  await base.savePretrained(target)
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) await target.write(name, await mini.read(name))
}

/** A new adapter, all trained tensors of the method moved from where they start. */
export async function newAdapter(base: ModelForSequenceClassification, config: PeftConfig, random: Random): Promise<CallablePeftModel> {
  const model = await getPeftModel(base, config)
  const own = new Set(model.method.parameters.map(({ name }) => name))
  for (const [name, tensor] of model.parameters.trained()) {
    if (!own.has(name)) continue
    const noise = random.normal(tensor.size, moved)
    tensor.write((await tensor.data()).map((v, i) => v + noise[i]))
  }
  return model
}

/** Flat logits of a batch. */
export async function logitsOf(model: CallablePeftModel | ModelForSequenceClassification, batch: Batch): Promise<Float32Array> {
  return (await model.logits({ inputIds: batch.input_ids, attentionMask: batch.attention_mask })).data()
}

/** A step for each batch; the losses. */
export async function tenSteps(model: CallablePeftModel, batches: Batch[]): Promise<number[]> {
  const { values, gradients, ranges } = model.parameters
  // Both decay all that is trained; peft's optimizer for LoRA+ spares biases.
  const plus = ranges.some(({ lrScale }) => lrScale !== 1)
  const groups = ranges.map(({ noDecay, ...range }) => ({ values, gradients, ...range, weightDecay: plus && noDecay ? 0 : settings.decay }))
  const optimizer = new AdamW(model.device, groups, { maxGradNorm: settings.clip })
  const program = new TrainingProgram(model, optimizer, { seed: 0 })
  const losses: number[] = []
  for (const [i, { input_ids, attention_mask, labels = [] }] of batches.entries()) {
    const inputs = hostInputs({ inputIds: input_ids, attentionMask: attention_mask }, model.base.config)
    await program.step([{ key: `${inputs.length}`, size: labels.length, labels, inputs }], settings.lr * settings.factors[i], i + 1)
    losses.push((await program.takeLosses()).lossSum)
  }
  program.dispose()
  optimizer.dispose()
  return losses
}
