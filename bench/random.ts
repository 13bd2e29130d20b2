// Numbers that every library and PyTorch draw alike: a hash of a name and a place (model.py has the same).

/** FNV-1a of a name. */
export function seedOf(name: string): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash
}

/** 32 well-mixed bits of place `i` (lowbias32, Wellons 2018). */
function bits(seed: number, i: number): number {
  let x = (Math.imul(i, 0x9e3779b9) + seed) >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

/** `size` numbers, uniform with mean 0 and standard deviation `std`. */
export function numbers(name: string, size: number, std = 1): Float32Array<ArrayBuffer> {
  const seed = seedOf(name)
  const scale = Math.sqrt(3) * std
  const out = new Float32Array(size)
  for (let i = 0; i < size; i++) out[i] = ((bits(seed, i) / 2 ** 32) * 2 - 1) * scale
  return out
}

/** `size` whole numbers from `low` up to, not including, `high`. */
export function integers(name: string, size: number, low: number, high: number): Int32Array<ArrayBuffer> {
  const seed = seedOf(name)
  return Int32Array.from({ length: size }, (_, i) => low + (bits(seed, i) % (high - low)))
}
