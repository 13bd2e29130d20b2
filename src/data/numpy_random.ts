const word = 0xffffffffn
const wide = (1n << 64n) - 1n
const full = (1n << 128n) - 1n
const multiplier = 0x2360ed051fc65da44385df649fccf645n

/**
 * NumPy's default generator (PCG64, seeded by SeedSequence), bit for bit: `new NumpyRandom(seed)` is
 * `np.random.default_rng(seed)`, so that shuffled rows are those of Python's `datasets`.
 */
export class NumpyRandom {
  #state = 0n
  readonly #increment: bigint
  /** The upper half of the last 64 bits, where only the lower one was taken. */
  #half: number | undefined

  /** @param seed a whole number from 0 */
  constructor(seed: number | bigint) {
    if (typeof seed === 'number' && !Number.isSafeInteger(seed)) throw new Error(`seed: wanted a whole number from 0, got ${seed}`)
    if (seed < 0) throw new Error(`seed: wanted a whole number from 0, got ${seed}`)
    const [s0, s1, i0, i1] = seedWords(BigInt(seed))
    this.#increment = ((((i0 << 64n) | i1) << 1n) | 1n) & full
    this.#step()
    this.#state = (this.#state + ((s0 << 64n) | s1)) & full
    this.#step()
  }

  /** 64 random bits. */
  next64(): bigint {
    this.#step()
    const turn = this.#state >> 122n
    const bits = (this.#state >> 64n) ^ (this.#state & wide)
    return ((bits >> turn) | (bits << (64n - turn))) & wide
  }

  /** A whole number in [0, n), n ≤ 2³²: `integers(0, n)`, by Lemire's method. */
  below(n: number): number {
    if (n <= 1) return 0
    const range = BigInt(n)
    const least = (2 ** 32 - n) % n
    for (;;) {
      const bits = this.#next32()
      // The product's halves; a double holds it exactly up to n = 2²¹.
      const low = n <= 2 ** 21 ? (bits * n) % 2 ** 32 : Number((BigInt(bits) * range) & word)
      if (low >= least) return n <= 2 ** 21 ? Math.floor((bits * n) / 2 ** 32) : Number((BigInt(bits) * range) >> 32n)
    }
  }

  /** `permutation(n)`: 0 … n − 1 in random order. */
  permutation(n: number): Uint32Array {
    return this.shuffle(Uint32Array.from({ length: n }, (_, i) => i))
  }

  /** `shuffle(items)`: Fisher and Yates from the end, each place by masked bits that are drawn again where too large; changes `items`. */
  shuffle<T extends { length: number; [i: number]: unknown }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const mask = 0xffffffff >>> Math.clz32(i)
      let j = i + 1
      while (j > i) j = (this.#next32() & mask) >>> 0
      ;[items[i], items[j]] = [items[j], items[i]]
    }
    return items
  }

  #next32(): number {
    const half = this.#half
    if (half !== undefined) {
      this.#half = undefined
      return half
    }
    const bits = this.next64()
    this.#half = Number(bits >> 32n)
    return Number(bits & word)
  }

  #step(): void {
    this.#state = (this.#state * multiplier + this.#increment) & full
  }
}

const mul = (a: number, b: number) => Math.imul(a, b) >>> 0
const fold = (x: number) => (x ^ (x >>> 16)) >>> 0

/** `SeedSequence(seed).generate_state(4, np.uint64)` (M. E. O'Neill's seed_seq with NumPy's constants). */
function seedWords(seed: bigint): bigint[] {
  let hash = 0x43b0d7e5
  const hashed = (value: number) => {
    const before = (value ^ hash) >>> 0
    hash = mul(hash, 0x931e8875)
    return fold(mul(before, hash))
  }
  const mixed = (x: number, y: number) => fold((mul(0xca01f9dd, x) - mul(0x4973f715, y)) >>> 0)
  const entropy: number[] = []
  for (let left = seed; left > 0n; left >>= 32n) entropy.push(Number(left & word))
  const pool = [0, 1, 2, 3].map((i) => hashed(entropy[i] ?? 0))
  for (let from = 0; from < 4; from++) for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mixed(pool[to], hashed(pool[from]))
  for (const extra of entropy.slice(4)) for (let to = 0; to < 4; to++) pool[to] = mixed(pool[to], hashed(extra))
  let last = 0x8b51f9dd
  const words = Array.from({ length: 8 }, (_, i) => {
    const before = (pool[i % 4] ^ last) >>> 0
    last = mul(last, 0x58f38ded)
    return BigInt(fold(mul(before, last)))
  })
  return [0, 2, 4, 6].map((i) => words[i] | (words[i + 1] << 32n))
}
