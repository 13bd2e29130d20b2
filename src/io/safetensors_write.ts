import { toBfloat16, toHalf } from './half'

interface Described {
  name: string
  shape: readonly number[]
}

/** How floats are stored. */
export type FloatType = 'F32' | 'F16' | 'BF16'

/** A tensor to be written. */
export interface NamedTensor extends Described {
  data: Float32Array | Int32Array
  /** Storage of floats. Default F32. */
  dtype?: FloatType
}

/** A tensor of floats that is read when its turn comes. */
export interface LateTensor extends Described {
  dtype: FloatType
  read(): Promise<Float32Array>
}

// The reference library puts wide types first, so that every tensor is aligned, then sorts by name.
const order = ['F32', 'I32', 'BF16', 'F16'] as const

const sizeOf = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1)

/** The bytes of a safetensors file, the same as the reference library writes for these tensors. */
export function writeSafetensors(tensors: NamedTensor[], metadata?: Record<string, string>): Uint8Array<ArrayBuffer> {
  const parts = tensors.map((t) => ({ ...t, dtype: t.data instanceof Int32Array ? ('I32' as const) : (t.dtype ?? 'F32') }))
  const { head, size, sorted } = layOut(parts, metadata)
  const out = new Uint8Array(head.length + size)
  out.set(head)
  let place = head.length
  for (const part of sorted) {
    const bytes = encode(part, part.data)
    out.set(bytes, place)
    place += bytes.length
  }
  return out
}

/** The same bytes in pieces, with one tensor at a time in memory. */
export async function* streamSafetensors(tensors: LateTensor[], metadata?: Record<string, string>): AsyncGenerator<Uint8Array> {
  const { head, sorted } = layOut(tensors, metadata)
  yield head
  for (const tensor of sorted) yield encode(tensor, await tensor.read())
}

type Typed = Described & { dtype: (typeof order)[number] }

/** What stands before the tensors, their bytes, and their order. */
function layOut<T extends Typed>(tensors: T[], metadata: Record<string, string> = { format: 'pt' }) {
  const sorted = [...tensors].sort((a, b) => order.indexOf(a.dtype) - order.indexOf(b.dtype) || (a.name < b.name ? -1 : 1))
  const lines = [`"__metadata__":${JSON.stringify(metadata)}`]
  const names = new Set(['__metadata__'])
  let size = 0
  for (const { name, shape, dtype } of sorted) {
    if (names.has(name)) throw new Error(`writeSafetensors: the name ${name} is given twice`)
    names.add(name)
    const end = size + sizeOf(shape) * (dtype.endsWith('16') ? 2 : 4)
    lines.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [size, end] })}`)
    size = end
  }
  const json = new TextEncoder().encode(`{${lines.join(',')}}`)
  const length = Math.ceil(json.length / 8) * 8
  const head = new Uint8Array(8 + length).fill(0x20, 8)
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true)
  head.set(json, 8)
  return { head, size, sorted }
}

function encode({ name, shape, dtype }: Typed, data: Float32Array | Int32Array): Uint8Array {
  if (sizeOf(shape) !== data.length)
    throw new Error(`writeSafetensors: tensor ${name}: shape [${shape}] wants ${sizeOf(shape)} numbers, got ${data.length}`)
  const floats = data as Float32Array
  const stored = dtype === 'F16' ? toHalf(floats) : dtype === 'BF16' ? toBfloat16(floats) : data
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength)
}
