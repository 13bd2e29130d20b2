import { type Files, parseJson } from './files'
import { fromBfloat16, fromHalf } from './half'

/** Bytes of one element of each type that the format knows and that has whole bytes. */
// biome-ignore format: a table
export const widths = {
  F64: 8, F32: 4, F16: 2, BF16: 2, F8_E4M3: 1, F8_E5M2: 1,
  I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1,
} as const
export type StoredType = keyof typeof widths

/** One tensor of a safetensors file: where it lies, in bytes of the file. */
export interface TensorEntry {
  readonly name: string
  readonly dtype: StoredType
  readonly shape: readonly number[]
  readonly start: number
  readonly end: number
  readonly files: Files
  readonly path: string
}

const maxHeader = 100_000_000

/**
 * Reads the header of a safetensors file and checks it: sizes before anything is allocated, offsets in range, without
 * overlaps or holes, byte lengths as shape and dtype say, no name twice.
 * @throws Error naming file and tensor, what was wanted and what was found
 */
export async function openSafetensors(files: Files, path: string): Promise<Map<string, TensorEntry>> {
  const where = `${files.name}/${path}`
  const size = await files.size(path)
  if (size === undefined) throw new Error(`${files.name}: there is no file ${path}`)
  if (size < 8) throw new Error(`${where}: ${size} bytes are too few for a safetensors file`)
  const lengthBytes = await files.read(path, 0, 8)
  const claimed = new DataView(lengthBytes.buffer, lengthBytes.byteOffset).getBigUint64(0, true)
  const most = Math.min(maxHeader, size - 8)
  if (claimed > most)
    throw new Error(
      `${where}: the header claims ${claimed} bytes; wanted at most ${most} (the file has ${size}): cut off, or no safetensors file`,
    )
  const length = Number(claimed)
  const bytes = await files.read(path, 8, 8 + length)
  const header = parseJson(bytes, `${where}, header`)
  checkNames(new TextDecoder().decode(bytes), where)
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => entry(name, value, where, 8 + length, files, path))
  checkLayout(entries, size, 8 + length, where)
  return new Map(entries.map((e) => [e.name, e]))
}

function entry(name: string, value: unknown, where: string, base: number, files: Files, path: string): TensorEntry {
  const bad = (what: string): never => {
    throw new Error(`${where}: tensor ${name}: ${what}`)
  }
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown }
  const whole = (v: unknown): v is number => typeof v === 'number' && Number.isSafeInteger(v) && v >= 0
  if (typeof dtype !== 'string' || !Object.hasOwn(widths, dtype))
    bad(`dtype: wanted one of ${Object.keys(widths).join(', ')}, got ${JSON.stringify(dtype)}`)
  if (!Array.isArray(shape) || shape.length > 16 || !shape.every(whole))
    bad(`shape: wanted at most 16 whole numbers, got ${JSON.stringify(shape)?.slice(0, 100)}`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(whole))
    bad(`data_offsets: wanted two whole numbers, got ${JSON.stringify(offsets)?.slice(0, 100)}`)
  const [start, end] = offsets as [number, number]
  const wanted = (shape as number[]).reduce((n, d) => n * d, 1) * widths[dtype as StoredType]
  if (end - start !== wanted) bad(`${dtype} [${shape}] takes ${wanted} bytes, data_offsets [${start}, ${end}] hold ${end - start}`)
  return {
    name,
    dtype: dtype as StoredType,
    shape: shape as number[],
    start: base + start,
    end: base + end,
    files,
    path,
  }
}

function checkLayout(entries: TensorEntry[], size: number, base: number, where: string): void {
  let at = base
  for (const e of [...entries].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (e.end > size) throw new Error(`${where}: tensor ${e.name} ends at byte ${e.end}, the file at ${size}: cut off, or its header lies`)
    if (e.start < at) throw new Error(`${where}: tensor ${e.name} overlaps another: it begins at byte ${e.start}, wanted ${at}`)
    if (e.start > at) throw new Error(`${where}: ${e.start - at} bytes before tensor ${e.name} belong to no tensor`)
    at = e.end
  }
  if (at !== size) throw new Error(`${where}: ${size - at} bytes at the end belong to no tensor`)
}

/** JSON.parse keeps the last of two equal names in silence, so they are looked for here, in every object of valid JSON. */
function checkNames(text: string, where: string): void {
  const open: Set<string>[] = []
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (c === '{' || c === '[') open.push(new Set())
    else if (c === '}' || c === ']') open.pop()
    else if (c === '"') {
      const start = i
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++
      let next = i + 1
      while (' \t\r\n'.includes(text[next])) next++
      if (text[next] !== ':') continue
      const name = JSON.parse(text.slice(start, i + 1)) as string
      const seen = open[open.length - 1]
      if (seen.has(name)) throw new Error(`${where}: the name ${name} stands twice in the header`)
      seen.add(name)
    }
  }
}

/** Number of elements of an entry. */
export const elements = (e: TensorEntry): number => e.shape.reduce((n, d) => n * d, 1)

/**
 * Elements [from, to) of a tensor (all by default); floats as float32, integers and booleans as int32.
 * @throws Error on an integer that does not fit 32 bits, and on 8-bit floats
 */
export async function readTensor(e: TensorEntry, from = 0, to = elements(e)): Promise<Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>> {
  const buffer = await readAligned(e, from, to)
  switch (e.dtype) {
    case 'F32':
      return new Float32Array(buffer)
    case 'F16':
      return fromHalf(new Uint16Array(buffer))
    case 'BF16':
      return fromBfloat16(new Uint16Array(buffer))
    case 'F64':
      return new Float32Array(new Float64Array(buffer))
    case 'I64':
    case 'U64':
      return narrow(e, e.dtype === 'I64' ? new BigInt64Array(buffer) : new BigUint64Array(buffer))
    case 'I32':
      return new Int32Array(buffer)
    case 'U32':
      return narrow(e, new Uint32Array(buffer))
    case 'I16':
      return new Int32Array(new Int16Array(buffer))
    case 'U16':
      return new Int32Array(new Uint16Array(buffer))
    case 'I8':
      return new Int32Array(new Int8Array(buffer))
    case 'U8':
    case 'BOOL':
      return new Int32Array(new Uint8Array(buffer))
    default:
      throw new Error(`${e.files.name}/${e.path}: tensor ${e.name}: ${e.dtype} cannot be read yet; store it as F32, F16 or BF16`)
  }
}

/** The bytes in a buffer of their own, however the Files object came by them. */
async function readAligned(e: TensorEntry, from: number, to: number): Promise<ArrayBuffer> {
  const width = widths[e.dtype]
  const bytes = await e.files.read(e.path, e.start + from * width, e.start + to * width)
  const wanted = (to - from) * width
  if (bytes.length !== wanted) throw new Error(`${e.files.name}/${e.path}: tensor ${e.name}: wanted ${wanted} bytes, got ${bytes.length}`)
  return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : new Uint8Array(bytes).buffer
}

function narrow(e: TensorEntry, values: Uint32Array | BigInt64Array | BigUint64Array): Int32Array<ArrayBuffer> {
  const out = new Int32Array(values.length)
  for (let i = 0; i < out.length; i++) {
    out[i] = Number(values[i])
    if (BigInt(out[i]) !== BigInt(values[i]))
      throw new Error(`${e.files.name}/${e.path}: tensor ${e.name}: ${values[i]} does not fit 32 bits`)
  }
  return out
}

/** The tensor piece by piece (`chunk` elements), so that a large one is never whole in memory: {first element, values}. */
export async function* readChunks(e: TensorEntry, chunk = 4 << 20): AsyncGenerator<{ at: number; values: Float32Array<ArrayBuffer> }> {
  if (!(Number.isInteger(chunk) && chunk > 0)) throw new TypeError(`readChunks: chunk: wanted a whole number above 0, got ${chunk}`)
  const size = elements(e)
  for (let at = 0; at < size; at += chunk) {
    const values = await readTensor(e, at, Math.min(size, at + chunk))
    yield { at, values: values instanceof Float32Array ? values : new Float32Array(values) }
  }
}
