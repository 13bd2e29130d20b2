import { type CallablePeftModel, PeftModel } from '../peft'
import { openCheckedDevice } from './device'
import { UsageError } from './failure'
import { deviceFlags } from './flags'
import { findAdapter, loadTrained } from './load'
import { type MergeOptions, told } from './merge'
import { NewFolder } from './new_folder'
import { compareLogits, logitsOf, sampleTexts } from './sample'
import { print, speaker } from './say'
import { pick } from './settings'

const own = /^(adapter_config\.json|adapter_model\.safetensors|id2label\.json)$/

/** `condlora convert`: the adapter as plain LoRA; the difference that is told is that of the folder as it is read back. */
export async function convert(source: string, options: MergeOptions): Promise<void> {
  const { output, overwrite } = options
  if (output === undefined) throw new UsageError('--output: is missing: the folder to write')
  const { settings, adapterFolder } = await findAdapter(source, options)
  const folder = new NewFolder(output, { overwrite, own, sources: [source, adapterFolder, settings.model as string] })
  const texts = await sampleTexts(options, settings)
  const device = await openCheckedDevice({ ...pick(deviceFlags, settings), ...pick(deviceFlags, options) }, speaker(options))
  try {
    const { model, tokenizer } = await loadTrained(device, settings, adapterFolder)
    checkForm(model, adapterFolder)
    const result = await folder.write(async (draft) => {
      await model.savePretrained(draft, { as: 'lora' })
      const before = await logitsOf(model, model.base.config, texts, tokenizer)
      const plain = await PeftModel.fromPretrained(model.base, draft)
      return compareLogits(before, await logitsOf(plain, model.base.config, texts, tokenizer))
    })
    const from = model.peftConfig.peftType
    print(options.json ? JSON.stringify({ output, from, to: 'LORA', texts: texts.length, ...result }) : told(output, texts.length, result))
  } finally {
    device.destroy()
  }
}

/** Only what adds a product of two small matrices to each weight is LoRA. */
function checkForm({ method, peftConfig }: CallablePeftModel, adapter: string): void {
  if (method.asLora) return
  const variant = 'useDora' in peftConfig ? 'DoRA' : peftConfig.peftType
  throw new Error(`${adapter}: the method ${variant} has no form as plain LoRA; condlora merge takes any method`)
}
