import { type Files, memoryFiles, openSafetensors, readTensor, toHalf } from '../../src/io'
import { fixture } from '../harness'

type Named = Map<string, { shape: readonly number[]; data: Float32Array | Int32Array }>

/** The named files of test/fixtures/golden/`folder` as a folder. */
export async function goldenFiles(folder: string, names = ['config.json', 'model.safetensors']): Promise<Files> {
  const entries = names.map(async (name): Promise<[string, Uint8Array]> => [name, await fixture(`golden/${folder}/${name}`)])
  return memoryFiles(folder, await Promise.all(entries))
}

/** All tensors of test/fixtures/golden/`folder`/`name`.safetensors. */
export async function goldenTensors(folder: string, name: string): Promise<Named> {
  const file = `${name}.safetensors`
  const entries = await openSafetensors(await goldenFiles(folder, [file]), file)
  const all: Named = new Map()
  for (const [key, entry] of entries) all.set(key, { shape: entry.shape, data: await readTensor(entry) })
  return all
}

export async function goldenCase<T>(folder: string): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await fixture(`golden/${folder}/case.json`))) as T
}

/** The token ids and mask of a golden case. */
export async function goldenTokens(folder: string) {
  const inputs = await goldenTensors(folder, 'inputs')
  const [inputIds, attentionMask] = ['input_ids', 'attention_mask'].map((name) => inputs.get(name)?.data as Int32Array)
  return { inputIds, attentionMask, batch: 5, length: 19 }
}

/** Golden names to ours: `theta.attention/self/query/A`, `query.linear_for_lora_A`, `….lora_A.default.weight`, `classifier.modules_to_save.default.…`. */
export const ourName = (name: string) =>
  name
    .replace(/^theta\.(.+)\/([AB])$/, (_, role: string, side: string) => `conversion.${role.replaceAll('/', '.')}.theta_${side}`)
    .replace(/^(query|value)\.linear_for_lora_([AB])$/, 'conversion.attention.self.$1.theta_$2')
    .replace(/^linear_for_lora_x$/, 'conversion.theta_x')
    .replace(/^base_model\.model\./, '')
    .replace(/modules_to_save\.default\./, '')
    .replace(/\.default\.weight$/, '.weight')
    .replace(/(magnitude_vector)\.weight$|\.default$/, '$1')

export interface StoredTensor {
  name: string
  dtype: string
  shape: readonly number[]
  bytes: Uint8Array
}

/** Floats in the storage that `dtype` names. */
export function stored(name: string, shape: readonly number[], values: Float32Array, dtype = 'F32'): StoredTensor {
  const data = dtype === 'F16' ? toHalf(values) : dtype === 'BF16' ? toBfloat16(values) : values
  return { name, dtype, shape, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }
}

/** What `position_ids` is in old checkpoints: int64 [1, n]. */
export function storedPositions(name: string, n: number): StoredTensor {
  const values = BigInt64Array.from({ length: n }, (_, i) => BigInt(i))
  return { name, dtype: 'I64', shape: [1, n], bytes: new Uint8Array(values.buffer) }
}

/** A safetensors file of tensors in the order given, whatever their kind: unaligned where the sizes make it so. */
export function safetensorsFile(tensors: StoredTensor[]): Uint8Array {
  let at = 0
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  for (const { name, dtype, shape, bytes } of tensors) header[name] = { dtype, shape, data_offsets: [at, (at += bytes.length)] }
  const json = new TextEncoder().encode(JSON.stringify(header))
  const file = new Uint8Array(8 + json.length + at)
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true)
  file.set(json, 8)
  let place = 8 + json.length
  for (const { bytes } of tensors) {
    file.set(bytes, place)
    place += bytes.length
  }
  return file
}

/** Rounded to the nearest, ties to even, as PyTorch does. */
export function toBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  return Uint16Array.from(bits, (b) => (b + 0x7fff + ((b >>> 16) & 1)) >>> 16)
}

/** config.json of RoBERTa-base without what has a default: pad_token_id 1, layer_norm_eps 1e-5. */
export const robertaBase = {
  model_type: 'roberta',
  vocab_size: 50265,
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3072,
  max_position_embeddings: 514,
  type_vocab_size: 1,
}
