import { toHalf } from './half'

/** A tensor to be written. */
export interface NamedTensor {
  name: string
  shape: readonly number[]
  data: Float32Array | Int32Array
  /** Storage of floats. Default F32. */
  dtype?: 'F32' | 'F16'
}

// The reference library puts wide types first, so that every tensor is aligned, then sorts by name.
const order = ['F32', 'I32', 'F16'] as const

/** The bytes of a safetensors file, the same as the reference library writes for these tensors. */
export function writeSafetensors(tensors: NamedTensor[], metadata: Record<string, string> = { format: 'pt' }): Uint8Array<ArrayBuffer> {
  const parts = tensors
    .map((t) => ({ name: t.name, shape: t.shape, ...encode(t) }))
    .sort((a, b) => order.indexOf(a.dtype) - order.indexOf(b.dtype) || (a.name < b.name ? -1 : 1))
  const lines = [`"__metadata__":${JSON.stringify(metadata)}`]
  const names = new Set(['__metadata__'])
  let at = 0
  for (const { name, shape, dtype, bytes } of parts) {
    if (names.has(name)) throw new Error(`writeSafetensors: the name ${name} is given twice`)
    names.add(name)
    lines.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [at, at + bytes.length] })}`)
    at += bytes.length
  }
  const json = new TextEncoder().encode(`{${lines.join(',')}}`)
  const length = Math.ceil(json.length / 8) * 8
  const out = new Uint8Array(8 + length + at).fill(0x20, 8, 8 + length)
  new DataView(out.buffer).setBigUint64(0, BigInt(length), true)
  out.set(json, 8)
  let place = 8 + length
  for (const { bytes } of parts) {
    out.set(bytes, place)
    place += bytes.length
  }
  return out
}

function encode({ name, shape, data, dtype }: NamedTensor): { dtype: (typeof order)[number]; bytes: Uint8Array } {
  if (shape.reduce((n, d) => n * d, 1) !== data.length)
    throw new Error(
      `writeSafetensors: tensor ${name}: shape [${shape}] wants ${shape.reduce((n, d) => n * d, 1)} numbers, got ${data.length}`,
    )
  const half = dtype === 'F16' && data instanceof Float32Array
  const stored = half ? toHalf(data) : data
  const bytes = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength)
  return { dtype: half ? 'F16' : data instanceof Int32Array ? 'I32' : 'F32', bytes }
}
