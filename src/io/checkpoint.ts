import { checkPath, type Files, readJson } from './files'
import { openSafetensors, type TensorEntry } from './safetensors'

/** All tensors of a folder: model.safetensors, or the shards that model.safetensors.index.json names. */
export async function openCheckpoint(files: Files, base = 'model'): Promise<Map<string, TensorEntry>> {
  const single = `${base}.safetensors`
  const index = `${single}.index.json`
  if ((await files.size(single)) !== undefined) return openSafetensors(files, single)
  if ((await files.size(index)) !== undefined) return openShards(files, index)
  throw new Error(`${files.name}: there is no ${single}${await pickleAdvice(files, base)}`)
}

async function openShards(files: Files, index: string): Promise<Map<string, TensorEntry>> {
  const where = `${files.name}/${index}`
  const { weight_map: map } = await readJson(files, index)
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    throw new Error(`${where}: weight_map: wanted an object, got ${JSON.stringify(map)}`)
  const shards = new Map<string, Map<string, TensorEntry>>()
  const all = new Map<string, TensorEntry>()
  for (const [name, shard] of Object.entries(map as Record<string, unknown>)) {
    if (typeof shard !== 'string') throw new Error(`${where}: ${name}: wanted a file name, got ${JSON.stringify(shard)}`)
    const opened = shards.get(shard) ?? (await openShard(files, shard, where))
    shards.set(shard, opened)
    const found = opened.get(name)
    if (!found) throw new Error(`${files.name}/${shard}: tensor ${name} is missing, which ${index} places there`)
    all.set(name, found)
  }
  return all
}

async function openShard(files: Files, shard: string, where: string): Promise<Map<string, TensorEntry>> {
  try {
    checkPath(shard)
  } catch (thrown) {
    throw new Error(`${where}: ${(thrown as Error).message}`)
  }
  if ((await files.size(shard)) === undefined) throw new Error(`${where}: the shard ${shard} that it names is missing`)
  return openSafetensors(files, shard)
}

async function pickleAdvice(files: Files, base: string): Promise<string> {
  const old = base === 'model' ? 'pytorch_model.bin' : `${base}.bin`
  if ((await files.size(old)) === undefined) return ''
  return `, only ${old}: a pickle can run any code, so it is never opened here. Convert it once in Python:
  import torch
  from safetensors.torch import save_file
  weights = torch.load("${old}", map_location="cpu", weights_only=True)
  save_file({name: w.clone().contiguous() for name, w in weights.items()}, "${base}.safetensors", {"format": "pt"})`
}
