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
  problemType: (typeof problems)[number]
  /** The file as it was read. */
  raw: Record<string, unknown>
}

const activations = ['gelu', 'gelu_new', 'gelu_pytorch_tanh', 'relu'] as const
const problems = ['regression', 'single_label_classification', 'multi_label_classification'] as const

/** What a caller may choose against the file. */
export interface LabelChoice {
  numLabels?: number
  id2label?: string[]
  /** With `multi_label_classification` each class has a probability of its own. Of one label it is always a regression. */
  problemType?: EncoderConfig['problemType']
}

/**
 * Reads config.json. `numLabels` and `id2label` given by the caller win over the file's.
 * @throws Error naming the file, the key, what was wanted and what it holds
 */
export function encoderConfig(raw: Record<string, unknown>, file: string, choice: LabelChoice = {}): EncoderConfig {
  const { model_type: modelType } = raw
  if (modelType !== 'roberta' && modelType !== 'bert')
    throw new Error(
      `${file}: model_type: wanted "roberta" or "bert", got ${JSON.stringify(modelType)}: this architecture is not supported yet`,
    )
  const { whole, size, rate, oneOf } = reader(raw, file)
  for (const key of ['is_decoder', 'add_cross_attention']) oneOf(key, [false], false)
  oneOf('position_embedding_type', ['absolute'], 'absolute')
  const id2label = labelNames(raw, file, choice)
  const hiddenDropoutProb = rate('hidden_dropout_prob', 0.1)
  const problem = choice.problemType ?? oneOf('problem_type', problems, problems[1])
  const config: EncoderConfig = {
    modelType,
    vocabSize: size('vocab_size'),
    hiddenSize: size('hidden_size'),
    numHiddenLayers: size('num_hidden_layers', 1000),
    numAttentionHeads: size('num_attention_heads'),
    intermediateSize: size('intermediate_size'),
    maxPositionEmbeddings: size('max_position_embeddings'),
    typeVocabSize: size('type_vocab_size'),
    padTokenId: whole('pad_token_id', 0, size('vocab_size') - 1, modelType === 'roberta' ? 1 : 0),
    layerNormEps: rate('layer_norm_eps', 1e-12),
    hiddenAct: oneOf('hidden_act', activations, 'gelu'),
    hiddenDropoutProb,
    attentionProbsDropoutProb: rate('attention_probs_dropout_prob', 0.1),
    classifierDropout: rate('classifier_dropout', hiddenDropoutProb),
    initializerRange: rate('initializer_range', 0.02),
    numLabels: id2label.length,
    id2label,
    problemType: id2label.length === 1 ? 'regression' : problem,
    raw,
  }
  if (config.hiddenSize % config.numAttentionHeads)
    complain(file, 'hidden_size', `a multiple of num_attention_heads ${config.numAttentionHeads}`, `${config.hiddenSize}`)
  if (maxTokens(config) < 1)
    complain(file, 'max_position_embeddings', `more than pad_token_id ${config.padTokenId} + 1`, `${config.maxPositionEmbeddings}`)
  return config
}

/** The position of a row's first token: RoBERTa counts from behind the padding token's id. */
export const firstPosition = ({ modelType, padTokenId }: EncoderConfig) => (modelType === 'roberta' ? padTokenId + 1 : 0)

/** Most tokens that a row may have, special tokens included: 512 for RoBERTa-base and BERT-base. */
export const maxTokens = (config: EncoderConfig) => config.maxPositionEmbeddings - firstPosition(config)

/** Checked values of config.json; null counts as absent. */
function reader(raw: Record<string, unknown>, file: string) {
  const whole = (key: string, least: number, most: number, fallback?: number): number => {
    const value = raw[key] ?? fallback
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
      complain(file, key, `a whole number from ${least} to ${most}`, JSON.stringify(value))
    return value
  }
  const rate = (key: string, fallback: number): number => {
    const value = raw[key] ?? fallback
    if (typeof value !== 'number' || !(value >= 0 && value < 1))
      complain(file, key, 'a number from 0 up to, not including, 1', JSON.stringify(value))
    return value
  }
  const oneOf = <T>(key: string, allowed: readonly T[], fallback: T): T => {
    const value = (raw[key] ?? fallback) as T
    if (!allowed.includes(value)) complain(file, key, allowed.map((v) => JSON.stringify(v)).join(' or '), JSON.stringify(value))
    return value
  }
  return { whole, rate, oneOf, size: (key: string, most = 1e7) => whole(key, 1, most) }
}

function labelNames(raw: Record<string, unknown>, file: string, { numLabels, id2label }: LabelChoice): string[] {
  if (id2label) {
    if (!id2label.length || id2label.some((name) => typeof name !== 'string'))
      complain('fromPretrained', 'id2label', 'at least one name', JSON.stringify(id2label))
    if (numLabels !== undefined && numLabels !== id2label.length)
      complain('fromPretrained', 'id2label', `numLabels ${numLabels} names`, `${id2label.length}`)
    return id2label
  }
  if (numLabels !== undefined && !isCount(numLabels))
    complain('fromPretrained', 'numLabels', 'a whole number from 1 to 100000', `${numLabels}`)
  const stored = storedLabels(raw, file)
  const count = numLabels ?? stored?.length ?? raw.num_labels ?? 2
  if (!isCount(count)) complain(file, 'num_labels', 'a whole number from 1 to 100000', JSON.stringify(count))
  return stored?.length === count ? stored : Array.from({ length: count }, (_, i) => `LABEL_${i}`)
}

const isCount = (n: unknown): n is number => typeof n === 'number' && Number.isInteger(n) && n >= 1 && n <= 1e5

function storedLabels({ id2label }: Record<string, unknown>, file: string): string[] | undefined {
  if (id2label === undefined || id2label === null) return undefined
  const names = typeof id2label === 'object' ? (id2label as Record<string, unknown>) : {}
  const count = Object.keys(names).length
  if (!isCount(count)) complain(file, 'id2label', 'an object with 1 to 100000 names', JSON.stringify(id2label).slice(0, 100))
  return Array.from({ length: count }, (_, i) => {
    const name = names[i]
    if (typeof name !== 'string') complain(file, `id2label, class ${i} of ${count}`, 'a name', JSON.stringify(name))
    return name
  })
}
