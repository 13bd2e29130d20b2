import { AutoTokenizer, type Tokenizer } from '../../../data'
import { blobFiles, type Files, memoryFiles, openCheckpoint, openFolder, openHub, readJson } from '../../../io'
import { encoderConfig } from '../../../models/config'
import { metaModel } from '../../../models/meta'
import { planWeights } from '../../../models/weights'
import type { BaseModel, Event, ModelInfo } from '../protocol'
import type { KeptBase } from './record'
import { copyFiles, modelsFolder } from './storage'

/** A base model that was chosen. Its weights are read when a run begins. */
export interface Base {
  choice: BaseModel | KeptBase
  info: ModelInfo
  files: Files
  tokenizer: Tokenizer
}

type Tell = (event: Event) => void

/** Reads configuration, tokenizer and the names of the weights; what is not here yet is downloaded. @throws Error naming the file */
export async function openBase(choice: BaseModel | KeptBase, tell: Tell): Promise<Base> {
  const files = await filesOf(choice, tell)
  const config = encoderConfig(await readJson(files, 'config.json'), `${files.name}/config.json`)
  const tokenizer = await AutoTokenizer.fromPretrained(files)
  const model = metaModel(config)
  planWeights(model, await openCheckpoint(files), { file: files.name, newLabels: true })
  const weights = (await files.list()).filter((path) => /^model.*\.safetensors$/.test(path))
  const sizes = await Promise.all(weights.map((path) => files.size(path)))
  const { architectures } = config.raw
  return {
    choice,
    files,
    tokenizer,
    info: {
      name: files.name,
      architecture: Array.isArray(architectures) ? String(architectures[0]) : config.modelType,
      parameters: model.parameterCount,
      layers: config.numHiddenLayers,
      hiddenSize: config.hiddenSize,
      bytes: sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0),
    },
  }
}

async function filesOf(choice: BaseModel | KeptBase, tell: Tell): Promise<Files> {
  if (choice.from === 'embedded') return embedded(tell)
  if (choice.from === 'kept') return { ...openFolder(`${modelsFolder}/${choice.name}`), name: choice.name }
  if (choice.from === 'files') return dropped(choice)
  const { id, ...options } = choice
  return openHub(id, {
    token: false,
    ...options,
    progress: ({ file, done, total }) => tell({ event: 'download', file, done, total }),
    notice: (text) => tell({ event: 'notice', text }),
  })
}

/** Names of the files that a model is made of. */
const wanted = /^(config|tokenizer|tokenizer_config|special_tokens_map)\.json$|^model.*\.safetensors(\.index\.json)?$/

/** A folder that holds the model's folder is taken for it. */
function dropped({ name, files }: Extract<BaseModel, { from: 'files' }>): Files {
  const configs = files.map(({ path }) => path).filter((path) => /(^|\/)config\.json$/.test(path))
  const [config] = configs.sort((a, b) => a.split('/').length - b.split('/').length)
  if (config === undefined) throw new Error(`${name}: there is no config.json: drop the whole folder of a model`)
  const folder = config.slice(0, -'config.json'.length)
  const below = files.filter(({ path }) => path.startsWith(folder))
  return blobFiles(
    name,
    below.map(({ path, file }) => [path.slice(folder.length), file] as const),
  )
}

const miniFiles = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors']
let mini: Promise<Files> | undefined

/** roberta-mini, from beside the page. */
function embedded(tell: Tell): Promise<Files> {
  mini ??= Promise.all(
    miniFiles.map(async (file): Promise<[string, Uint8Array]> => [file, await fetched(`models/roberta-mini/${file}`, tell)]),
  )
    .then((files) => memoryFiles('roberta-mini', files))
    .catch((thrown) => {
      mini = undefined
      throw thrown
    })
  return mini
}

/** A file of the page's own folder. */
export async function fetched(path: string, tell: Tell): Promise<Uint8Array> {
  const response = await fetch(new URL(path, import.meta.url)).catch((thrown: Error) => {
    throw new Error(`${path}, a file of this page, did not come: ${thrown.message}`)
  })
  if (!response.ok || !response.body)
    throw new Error(`${path}, a file of this page, did not come: ${response.status} ${response.statusText}`)
  const told = Number(response.headers.get('Content-Length') ?? 0)
  const parts: Uint8Array<ArrayBuffer>[] = []
  let done = 0
  const reader = response.body.getReader()
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    parts.push(read.value)
    done += read.value.length
    // A host that packs files tells the packed length.
    tell({ event: 'download', file: path, done, total: Math.max(told, done) })
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer())
}

/** Makes a base model be found after a reload: dropped files are copied. */
export async function keepBase({ choice, files, info }: Base, tell: Tell): Promise<KeptBase> {
  if (choice.from === 'hub') {
    const { token: _, ...kept } = choice as Extract<BaseModel, { from: 'hub' }>
    return kept
  }
  if (choice.from !== 'files') return choice
  const name = info.name.replace(/[^\w.-]+/g, '-')
  const paths = (await files.list()).filter((path) => wanted.test(path))
  await copyFiles(files, paths, openFolder(`${modelsFolder}/${name}`), (file, done, total) =>
    tell({ event: 'download', file, done, total }),
  )
  return { from: 'kept', name }
}
