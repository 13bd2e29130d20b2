import { openFolder, openSource } from '../io'
import { AutoModelForSequenceClassification } from '../models/auto'
import { openCheckedDevice } from './device'
import { UsageError } from './failure'
import { type Common, deviceFlags } from './flags'
import { findAdapter, loadTrained } from './load'
import { NewFolder } from './new_folder'
import { compareLogits, logitsOf, sampleTexts } from './sample'
import { print, speaker } from './say'
import { pick } from './settings'

export interface MergeOptions extends Common {
  output?: string
  overwrite?: boolean
  model?: string
  labels?: string[]
  data?: string
  text?: string
  textPair?: string
  [key: string]: unknown
}

const tokenizerFiles = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'vocab.txt',
]
const own = new RegExp(`^(${['config.json', 'model.safetensors', ...tokenizerFiles].join('|').replaceAll('.', '\\.')})$`)

/** `condlora merge`: the difference that it tells is that of the folder as it is read back. */
export async function merge(source: string, options: MergeOptions): Promise<void> {
  const { output, overwrite } = options
  if (output === undefined) throw new UsageError('--output: is missing: the folder to write')
  const { settings, adapterFolder } = await findAdapter(source, options)
  const base = settings.model as string
  const folder = new NewFolder(output, { overwrite, own, sources: [source, adapterFolder, base] })
  const texts = await sampleTexts(options, settings)
  const say = speaker(options)
  const device = await openCheckedDevice({ ...pick(deviceFlags, settings), ...pick(deviceFlags, options) }, say)
  try {
    const { model, tokenizer } = await loadTrained(device, settings, adapterFolder)
    const result = await folder.write(async (draft) => {
      const before = await logitsOf(model, model.base.config, texts, tokenizer)
      await (await model.mergeAndUnload()).savePretrained(draft)
      await copyTokenizer(base, draft)
      const merged = await AutoModelForSequenceClassification.fromPretrained(draft, { device })
      return compareLogits(before, await logitsOf(merged, merged.config, texts, tokenizer))
    })
    print(options.json ? JSON.stringify({ output, base, texts: texts.length, ...result }) : told(output, texts.length, result))
  } finally {
    device.destroy()
  }
}

async function copyTokenizer(base: string, draft: string): Promise<void> {
  const [from, to] = [await openSource(base), openFolder(draft)]
  for (const name of tokenizerFiles) if ((await from.size(name)) !== undefined) await to.write(name, await from.read(name))
}

/** What was written, and how far it is from the adapter that was read. */
export function told(output: string, texts: number, { largestDifference, largestLogit }: ReturnType<typeof compareLogits>): string {
  return [
    `written             ${output}`,
    `largest difference  ${largestDifference.toExponential(1)} between the logits of ${texts} texts, the largest of which is ${largestLogit.toPrecision(3)}`,
  ].join('\n')
}
