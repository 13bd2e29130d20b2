/**
 * Philox4x32-10 (Salmon et al. 2011), counter-based random numbers: the same here and in dropout.wgsl, so that a mask
 * can be drawn again in backward, on any device, in any order.
 * @param counter four 32-bit words @param key two 32-bit words
 */
export function philox4x32(counter: readonly number[], key: readonly number[]): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter
  let [k0, k1] = key
  for (let round = 0; round < 10; round++) {
    const hi0 = highHalf(c0, 0xd2511f53)
    const hi1 = highHalf(c2, 0xcd9e8d57)
    const [lo0, lo1] = [Math.imul(c0, 0xd2511f53), Math.imul(c2, 0xcd9e8d57)]
    c0 = hi1 ^ c1 ^ k0
    c1 = lo1
    c2 = hi0 ^ c3 ^ k1
    c3 = lo0
    k0 = (k0 + 0x9e3779b9) | 0
    k1 = (k1 + 0xbb67ae85) | 0
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0]
}

/** The upper 32 bits of a 32 × 32 product, from 16-bit halves: no partial sum reaches 2³². */
function highHalf(a: number, b: number): number {
  const al = a & 0xffff
  const ah = a >>> 16
  const bl = b & 0xffff
  const bh = b >>> 16
  const mid = ah * bl + ((al * bl) >>> 16)
  const low = al * bh + (mid & 0xffff)
  return ah * bh + (mid >>> 16) + (low >>> 16)
}

/** A stream of random numbers: same seed, same numbers, everywhere. Used for initial weights and data order. */
export class Random {
  #at = 0
  #left: number[] = []

  /** @param seed any whole number @param stream numbers of different streams are independent */
  constructor(
    private readonly seed: number,
    private readonly stream = 0,
  ) {}

  /** A whole number in [0, 2³²). */
  next(): number {
    if (!this.#left.length)
      this.#left = philox4x32([this.#at++, 0, this.stream, 0x1417], [this.seed >>> 0, Math.floor(this.seed / 2 ** 32) >>> 0])
    return this.#left.pop() as number
  }

  /** In [0, 1). */
  float(): number {
    return this.next() / 2 ** 32
  }

  /** A whole number in [0, n). */
  below(n: number): number {
    return Math.floor(this.float() * n)
  }

  /** Uniform numbers in [low, high), f32. */
  uniform(length: number, low: number, high: number): Float32Array {
    return Float32Array.from({ length }, () => low + (high - low) * this.float())
  }

  /** Normal numbers by Box and Muller. */
  normal(length: number, std = 1): Float32Array {
    return Float32Array.from(
      { length },
      () => std * Math.sqrt(-2 * Math.log((this.next() + 1) / 2 ** 32)) * Math.cos(2 * Math.PI * this.float()),
    )
  }

  /** Fisher and Yates; changes `items`. */
  shuffle<T extends { length: number; [i: number]: unknown }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      ;[items[i], items[j]] = [items[j], items[i]]
    }
    return items
  }
}
