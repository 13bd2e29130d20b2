import type { ResolvedPeftConfig } from '../peft/methods'
import type { Metrics } from '../train'
import type { Settings } from './flags'
import { methodOf } from './methods'
import { version } from './version'

export interface Card {
  /** As they came out. */
  settings: Settings
  /** The base's name on the hub, where it is from there. */
  base: string | undefined
  /** Names of the classes by number. */
  labels: string[]
  peft: ResolvedPeftConfig
  /** On the validation data. */
  metrics: Metrics | null
  steps: number
}

/** Metrics as Hugging Face lists them. */
const hubNames: Record<string, string> = { pearson: 'pearsonr', spearman: 'spearmanr', matthews: 'matthews_correlation' }
const times = /(runtime|persecond)$/i

/** The README.md of an adapter: front matter with PEFT's keys, what was measured, how to load it. */
export function modelCard({ settings, base, labels, peft, metrics, steps }: Card): string {
  const { model = '' } = settings
  // A folder of this machine is no name that the hub or a reader could use.
  const name = base ?? (model.replace(/.*[\\/](?=.)/, '') || 'a local model')
  const { title: method } = methodOf(settings.method)
  const measured = Object.entries(metrics ?? {}).filter(([key]) => key.startsWith('eval') && !times.test(key))
  const tags = [...(base ? [`base_model:adapter:${base}`] : []), peft.peftType.toLowerCase(), 'transformers']
  const scores = measured.map(([key]) => metricName(key)).flatMap((name) => (name === 'loss' ? [] : (hubNames[name] ?? name)))
  return `${[
    '---',
    ...(base ? [`base_model: ${yaml(base)}`] : []),
    'library_name: peft',
    'pipeline_tag: text-classification',
    ...list('tags', tags),
    ...(scores.length ? list('metrics', scores) : []),
    '---',
    '',
    `# ${method} on ${name}`,
    '',
    ...about(settings, method, steps),
    ...(labels.length > 1 ? [`Classes, by number: ${labels.map(escaped).join(', ')}.`, ''] : []),
    ...(measured.length ? ['## Evaluation', '', '| metric | value |', '| --- | --- |', ...measured.map(row), ''] : []),
    '## Use',
    '',
    ...use(base, labels.length, peft),
    '',
    `Made with condlora ${version}.`,
  ].join('\n')}\n`
}

function about({ rank, alpha, learningRate, seed, fp16 }: Settings, method: string, steps: number): string[] {
  const parts = [
    ...(rank === undefined ? [] : [`rank ${rank}`, `alpha ${alpha}`]),
    `${steps} steps`,
    `learning rate ${learningRate}`,
    `seed ${seed}`,
    ...(fp16 ? ['frozen weights as half floats (fp16)'] : []),
  ]
  return [`Method: ${method}; ${parts.join(', ')}.`, '']
}

/** `evalAccuracy` is accuracy. */
const metricName = (key: string) => key.replace(/^eval_?/, '').replace(/^./, (c) => c.toLowerCase())
const row = ([key, value]: [string, number]) => `| ${metricName(key)} | ${Number(value.toFixed(4))} |`
const escaped = (text: string) => text.replace(/[\\`*_{}[\]<>#|]/g, '\\$&').replace(/\s+/g, ' ')

const list = (key: string, values: string[]) => [`${key}:`, ...values.map((value) => `- ${yaml(value)}`)]

/** Bare where YAML reads nothing into it. */
const yaml = (text: string) =>
  /^[A-Za-z][\w./-]*(:[A-Za-z][\w./-]*)*$/.test(text) && !/^(true|false|null|yes|no|on|off)$/i.test(text) ? text : JSON.stringify(text)

function use(base: string | undefined, numLabels: number, peft: ResolvedPeftConfig): string[] {
  const ours = [
    '```js',
    "import { AutoModelForSequenceClassification, openDevice, PeftModel } from 'condlora'",
    '',
    'const device = await openDevice()',
    `const base = await AutoModelForSequenceClassification.fromPretrained(${base ? JSON.stringify(base) : 'BASE'}, { device, numLabels: ${numLabels} })`,
    'const model = await PeftModel.fromPretrained(base, FOLDER)',
    '```',
  ]
  if (['LORA', 'VERA', 'FOURIERFT'].includes(peft.peftType))
    return [
      ...ours,
      '',
      '```python',
      'from peft import AutoPeftModelForSequenceClassification',
      '',
      `model = AutoPeftModelForSequenceClassification.from_pretrained(FOLDER, num_labels=${numLabels})`,
      '```',
    ]
  const asLora = peft.peftType === 'CONDLORA' && peft.useX !== 'type2'
  return asLora ? [...ours, '', 'PEFT reads it after `condlora convert FOLDER --to lora --output LORA`.'] : ours
}
