import type { Files } from '../io'
import { streamSafetensors } from '../io/safetensors_write'
import { namedTensors } from './modules'
import type { ModelForSequenceClassification } from './sequence_classification'

const torchTypes = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const

/**
 * Writes config.json and model.safetensors as transformers' save_pretrained does: its names, the type of the checkpoint that was
 * loaded. The configuration comes last.
 */
export async function writeModel(model: ModelForSequenceClassification, files: Files): Promise<void> {
  const { storedType: dtype } = model
  if (model.dtype !== 'fp32')
    throw new Error(`savePretrained: the weights of ${model.nameOrPath} were rounded to half floats: load it with dtype "fp32" to save it`)
  const tensors = [...namedTensors(model)].map(([name, tensor]) => ({ name, shape: tensor.shape, dtype, read: () => tensor.data() }))
  await files.write('model.safetensors', streamSafetensors(tensors))
  await files.write('config.json', new TextEncoder().encode(`${JSON.stringify(configJson(model), null, 2)}\n`))
}

/** The file that was read, with what is so now. */
function configJson({ config, storedType }: ModelForSequenceClassification): Record<string, unknown> {
  const { num_labels: _, dtype: __, ...raw } = config.raw
  return {
    ...raw,
    architectures: [`${config.modelType === 'roberta' ? 'Roberta' : 'Bert'}ForSequenceClassification`],
    id2label: Object.fromEntries(config.id2label.map((name, i) => [i, name])),
    label2id: Object.fromEntries(config.id2label.map((name, i) => [name, i])),
    problem_type: config.problemType,
    // Older releases of transformers know it by this name alone, newer ones by this too.
    torch_dtype: torchTypes[storedType],
  }
}
