import { unzip, zip } from 'fflate'
import { blobFiles, type Files, memoryFiles } from '../../../io'
import type { CallablePeftModel } from '../../../peft'
import { labelFile } from '../../../peft/labels'

const adapterFiles = ['adapter_config.json', 'adapter_model.safetensors']
const mostBytes = 1 << 30

/** An adapter in memory: PEFT's two files, the classes' names, and CondLoRA once more as plain LoRA. */
export async function adapterFolder(model: CallablePeftModel): Promise<Files> {
  const files = memoryFiles('adapter')
  await model.savePretrained(files)
  if (model.peftConfig.peftType === 'CONDLORA') {
    const lora = memoryFiles('as lora')
    await model.savePretrained(lora, { as: 'lora' })
    for (const path of await lora.list()) await files.write(`as-lora/${path}`, await lora.read(path))
  }
  return files
}

const text = (content: string) => new TextEncoder().encode(`${content}\n`)

/** Files as a zip, with a note on how to use them. */
export async function zipped(files: Files, name: string, { base, method }: { base: string; method: string }): Promise<Blob> {
  const content: Record<string, Uint8Array> = { 'README.md': text(readme(name, base, method)) }
  for (const path of await files.list()) content[path] = await files.read(path)
  const bytes = await new Promise<Uint8Array<ArrayBuffer>>((resolve, reject) =>
    // A fixed time: the same adapter makes the same file. Weights do not get smaller.
    zip(content, { level: 0, mtime: '2020-01-01', consume: false }, (error, data) =>
      error ? reject(error) : resolve(data as Uint8Array<ArrayBuffer>),
    ),
  )
  return new Blob([bytes], { type: 'application/zip' })
}

const readme = (name: string, base: string, method: string) => `# ${name}

An adapter (${method}) for the base model ${base}, trained with condlora.

    condlora predict --model ${base} --adapter-folder . "some text"
${method === 'CONDLORA' ? "\nas-lora/ holds the same adapter as plain LoRA, which PEFT reads: `PeftModel.from_pretrained(model, 'as-lora')`.\n" : ''}`

/** The files of an adapter: a zip's, or loose ones. @throws Error where they hold none */
export async function openAdapter(given: readonly File[]): Promise<Files> {
  const packed = given.find(({ name }) => /\.zip$/i.test(name))
  const all = packed ? await unpacked(packed) : new Map(given.map((file): [string, Blob] => [file.webkitRelativePath || file.name, file]))
  const configs = [...all.keys()].filter((path) => /(^|\/)adapter_config\.json$/.test(path))
  const [config] = configs.sort((a, b) => a.split('/').length - b.split('/').length)
  if (config === undefined)
    throw new Error(
      `${packed?.name ?? 'these files'}: there is no adapter_config.json: wanted an adapter's zip file, or ${adapterFiles.join(' and ')}`,
    )
  const folder = config.slice(0, -'adapter_config.json'.length)
  const found = [...adapterFiles, labelFile].flatMap((name): [string, Blob][] => {
    const blob = all.get(folder + name)
    return blob ? [[name, blob]] : []
  })
  return blobFiles(packed?.name ?? 'the adapter', found)
}

async function unpacked(file: File): Promise<Map<string, Blob>> {
  const bytes = new Uint8Array(await file.arrayBuffer())
  const files = await new Promise<Record<string, Uint8Array>>((resolve, reject) =>
    unzip(
      bytes,
      {
        filter: ({ name, originalSize }) =>
          /(^|\/)(adapter_config\.json|adapter_model\.safetensors|id2label\.json)$/.test(name) && originalSize < mostBytes,
      },
      (error, data) => (error ? reject(new Error(`${file.name}: this zip file cannot be read: ${error.message}`)) : resolve(data)),
    ),
  )
  return new Map(Object.entries(files).map(([name, data]) => [name, new Blob([data as Uint8Array<ArrayBuffer>])]))
}
