/** zlib's CRC-32 of 32-bit numbers: a short check of long lists. */
export function crc32(numbers: Uint32Array): number {
  let crc = 0xffffffff
  for (const byte of new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)) {
    crc ^= byte
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}
