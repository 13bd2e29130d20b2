import type { DataInfo, Method, ModelInfo, Settings } from '../protocol'

export const methods: readonly { method: Method; name: string; says: string }[] = [
  { method: 'head', name: 'Head alone', says: 'the model stays as it is; only the classifier on top learns' },
  { method: 'lora', name: 'LoRA', says: 'every layer gets a small pair of its own' },
  { method: 'condlora', name: 'CondLoRA', says: 'one small pair, shared: each layer makes its own from it' },
]

/** A method's name for people; PEFT writes methods in capitals. */
export const methodName = (method: string) => methods.find((m) => m.method === method.toLowerCase())?.name ?? method

/**
 * Numbers that a method trains beside the classifier: a pair of r × hidden for query and for value, in every layer or once.
 */
export function adapterNumbers(method: Method, r: number, { layers, hiddenSize }: Pick<ModelInfo, 'layers' | 'hiddenSize'>): number {
  const pair = 2 * 2 * r * hiddenSize
  return { head: 0, lora: layers * pair, condlora: pair }[method]
}

export const settingsAtFirst: Settings = {
  text: '',
  label: '',
  method: 'condlora',
  r: 8,
  loraAlpha: 8,
  numTrainEpochs: 1,
  learningRate: 5e-3,
  perDeviceTrainBatchSize: 16,
  maxLength: 64,
  seed: 0,
  earlyStoppingPatience: 3,
}

/** Small models like a fast rate, large ones do not. */
export function rateFor({ hiddenSize }: Pick<ModelInfo, 'hiddenSize'>): number {
  return hiddenSize <= 256 ? 5e-3 : 5e-4
}

const labelNames = /^(labels?|class|category|target|sentiment|gold_label|is_\w+|y|intent|rating)$/i
const textNames = /^(text|sentence1?|premise|question1?|message|review|content|body|email|comment|tweet|title|query|document|utterance)$/i
const pairs: readonly (readonly [string, string])[] = [
  ['sentence1', 'sentence2'],
  ['premise', 'hypothesis'],
  ['question1', 'question2'],
  ['question', 'sentence'],
  ['text1', 'text2'],
  ['text_a', 'text_b'],
  ['text', 'text_pair'],
]

/** What the columns are for, by their names or else by their look. */
export function guessColumns({ columns, first }: Pick<DataInfo, 'columns' | 'first'>): Pick<Settings, 'text' | 'textPair' | 'label'> {
  const length = (column: string) => first.reduce((sum, row) => sum + (row[column]?.length ?? 0), 0)
  const distinct = (column: string) => new Set(first.map((row) => row[column])).size
  const shortest = [...columns].sort((a, b) => length(a) - length(b) || distinct(a) - distinct(b))
  const label = columns.find((c) => labelNames.test(c)) ?? shortest[0] ?? ''
  const rest = columns.filter((c) => c !== label)
  const lower = new Map(rest.map((c) => [c.toLowerCase(), c]))
  const pair = pairs.find(([a, b]) => lower.has(a) && lower.has(b))
  if (pair) return { text: lower.get(pair[0]) as string, textPair: lower.get(pair[1]), label }
  const text = rest.find((c) => textNames.test(c)) ?? [...rest].sort((a, b) => length(b) - length(a))[0] ?? columns[0] ?? ''
  return { text, textPair: undefined, label }
}

/** Sentences for a model that learns the sample of emails. */
export const examples = [
  'Congratulations! You have been selected to receive a FREE prize. Click here to claim your money now.',
  'Hi, the patch fixes the build on Debian here. Could you review it before the release on Friday?',
  'Lose weight fast with our amazing new pills, satisfaction guaranteed or your money back!!!',
]
