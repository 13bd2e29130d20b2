import { complain } from '../gpu'

/** config.json of a BERT-like encoder, the keys that matter here; names as in transformers, camelCase. */
export interface EncoderConfig {
  modelType: 'roberta' | 'bert'
  vocabSize: number
  hiddenSize: number
  numHiddenLayers: number
  numAttentionHeads: number
  intermediateSize: number
  maxPositionEmbeddings: number
  typeVocabSize: number
  padTokenId: number
  layerNormEps: number
  hiddenAct: 'gelu' | 'gelu_new' | 'gelu_pytorch_tanh' | 'relu'
  hiddenDropoutProb: number
  attentionProbsDropoutProb: number
  classifierDropout: number
  initializerRange: number
  numLabels: number
  id2label: string[]
  problemType: 'regression' | 'single_label_classification'
  /** The file as it was read. */
  raw: Record<string, unknown>
}

const activations = ['gelu', 'gelu_new', 'gelu_pytorch_tanh', 'relu']

/** Reads config.json. `numLabels` and `id2label` given by the caller win over the file's. */
export function encoderConfig(
  raw: Record<string, unknown>,
  file: string,
  choice: { numLabels?: number; id2label?: string[] } = {},
): EncoderConfig {
  const modelType = raw.model_type
  if (modelType !== 'roberta' && modelType !== 'bert')
    throw new Error(
      `${file}: model_type: wanted "roberta" or "bert", got ${JSON.stringify(modelType)}: this architecture is not supported yet`,
    )
  const number = (key: string, fallback?: number): number => {
    const value = raw[key] ?? fallback
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
      throw new Error(`${file}: ${key}: wanted a number, got ${JSON.stringify(value)}`)
    return value
  }
  const size = (key: string): number => {
    const value = number(key)
    if (!Number.isInteger(value) || value < 1 || value > 1e7)
      throw new Error(`${file}: ${key}: wanted a whole number from 1 to 10,000,000, got ${value}`)
    return value
  }
  const hiddenAct = raw.hidden_act ?? 'gelu'
  if (!activations.includes(hiddenAct as string))
    throw new Error(`${file}: hidden_act: wanted one of ${activations.join(', ')}, got ${JSON.stringify(hiddenAct)}`)
  if (raw.position_embedding_type !== undefined && raw.position_embedding_type !== 'absolute')
    throw new Error(`${file}: position_embedding_type: only "absolute" is supported, got ${JSON.stringify(raw.position_embedding_type)}`)
  const labels = labelNames(raw, file, choice)
  const hiddenDropoutProb = number('hidden_dropout_prob', 0.1)
  const config: EncoderConfig = {
    modelType,
    vocabSize: size('vocab_size'),
    hiddenSize: size('hidden_size'),
    numHiddenLayers: size('num_hidden_layers'),
    numAttentionHeads: size('num_attention_heads'),
    intermediateSize: size('intermediate_size'),
    maxPositionEmbeddings: size('max_position_embeddings'),
    typeVocabSize: size('type_vocab_size'),
    padTokenId: number('pad_token_id', modelType === 'roberta' ? 1 : 0),
    layerNormEps: number('layer_norm_eps', 1e-12),
    hiddenAct: hiddenAct as EncoderConfig['hiddenAct'],
    hiddenDropoutProb,
    attentionProbsDropoutProb: number('attention_probs_dropout_prob', 0.1),
    classifierDropout: typeof raw.classifier_dropout === 'number' ? raw.classifier_dropout : hiddenDropoutProb,
    initializerRange: number('initializer_range', 0.02),
    numLabels: labels.length,
    id2label: labels,
    problemType: raw.problem_type === 'regression' || labels.length === 1 ? 'regression' : 'single_label_classification',
    raw,
  }
  if (config.hiddenSize % config.numAttentionHeads)
    complain(file, 'hidden_size', `a multiple of num_attention_heads ${config.numAttentionHeads}`, `${config.hiddenSize}`)
  return config
}

function labelNames(raw: Record<string, unknown>, file: string, choice: { numLabels?: number; id2label?: string[] }): string[] {
  if (choice.id2label) {
    if (choice.numLabels !== undefined && choice.numLabels !== choice.id2label.length)
      throw new Error(`numLabels is ${choice.numLabels}, but id2label names ${choice.id2label.length}`)
    return choice.id2label
  }
  const stored = raw.id2label as Record<string, string> | undefined
  const storedCount = stored && typeof stored === 'object' ? Object.keys(stored).length : undefined
  const count = choice.numLabels ?? storedCount ?? (typeof raw.num_labels === 'number' ? raw.num_labels : 2)
  if (!Number.isInteger(count) || count < 1 || count > 1e5)
    throw new Error(`${file}: numLabels: wanted a whole number from 1 to 100,000, got ${count}`)
  return Array.from({ length: count }, (_, i) => (count === storedCount ? (stored?.[i] ?? `LABEL_${i}`) : `LABEL_${i}`))
}
