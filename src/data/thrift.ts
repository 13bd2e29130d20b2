/** What a struct of Thrift's compact protocol has in its fields of whole numbers, flags and structs; the rest is passed over. */
export interface ThriftStruct {
  [field: number]: number | ThriftStruct
}

const types = { stop: 0, true: 1, false: 2, byte: 3, i16: 4, i32: 5, i64: 6, double: 7, binary: 8, list: 9, set: 10, struct: 12 }

/**
 * Walks one struct without making anything of the size that it claims: a list must fit into the bytes that are left,
 * and structs nest at most 32 deep. Gives the struct and where it ends.
 */
export function walkThrift(bytes: Uint8Array, start: number): { value: ThriftStruct; end: number } {
  let at = start
  const next = (): number => {
    if (at >= bytes.length) throw new Error('a structure runs past its end')
    return bytes[at++]
  }
  const varint = (): number => {
    let value = 0
    for (let scale = 1; scale < 2 ** 70; scale *= 128) {
      const byte = next()
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
    throw new Error('a number is too long')
  }
  const zigzag = (): number => {
    const n = varint()
    return n % 2 ? -(n + 1) / 2 : n / 2
  }
  const skip = (count: number): void => {
    if (count > bytes.length - at) throw new Error(`${count} bytes or items are claimed where ${bytes.length - at} bytes are left`)
    at += count
  }
  const list = (depth: number): void => {
    const head = next()
    const count = head >> 4 === 15 ? varint() : head >> 4
    if (count > bytes.length - at) throw new Error(`a list claims ${count} items where ${bytes.length - at} bytes are left`)
    const type = head & 15
    for (let i = 0; i < count; i++)
      if (type === types.true || type === types.false) next()
      else element(type, depth)
  }
  const element = (type: number, depth: number): number | ThriftStruct | undefined => {
    if (depth > 32) throw new Error('structures nest too deeply')
    if (type === types.true || type === types.false) return Number(type === types.true)
    if (type === types.byte) return next()
    if (type === types.i16 || type === types.i32 || type === types.i64) return zigzag()
    if (type === types.struct) return struct(depth + 1)
    if (type === types.double) skip(8)
    else if (type === types.binary) skip(varint())
    else if (type === types.list || type === types.set) list(depth + 1)
    else throw new Error(`there is no type ${type}`)
    return undefined
  }
  const struct = (depth: number): ThriftStruct => {
    const value: ThriftStruct = {}
    for (let field = 0; ; ) {
      const head = next()
      if ((head & 15) === types.stop) return value
      field = head >> 4 ? field + (head >> 4) : zigzag()
      const found = element(head & 15, depth)
      if (found !== undefined) value[field] = found
    }
  }
  return { value: struct(0), end: at }
}
