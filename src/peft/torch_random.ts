/**
 * PyTorch's generator on the CPU (MT19937 by `torch.Generator().manual_seed(seed)`), bit for bit: what an adapter leaves out of
 * its file because a seed gives it again.
 */
export class TorchRandom {
  readonly #state = new Uint32Array(624)
  #at = 624

  constructor(seed: number) {
    this.#state[0] = seed >>> 0
    for (let i = 1; i < 624; i++) {
      const before = this.#state[i - 1] ^ (this.#state[i - 1] >>> 30)
      this.#state[i] = (Math.imul(before, 1812433253) + i) >>> 0
    }
  }

  /** 32 random bits. */
  next(): number {
    if (this.#at === 624) this.#twist()
    let y = this.#state[this.#at++]
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }

  /** `Tensor.uniform_(-bound, bound)` of f32. */
  uniform(count: number, bound: number): Float32Array {
    const from = Math.fround(-bound)
    const width = Math.fround(Math.fround(bound) - from)
    return Float32Array.from({ length: count }, () => Math.fround(Math.fround((this.next() & 0xffffff) / 2 ** 24) * width) + from)
  }

  /** The first `count` numbers of `torch.randperm(n)`. */
  permutation(n: number, count: number): Int32Array {
    const all = Int32Array.from({ length: n }, (_, i) => i)
    for (let i = 0; i < Math.min(count, n - 1); i++) {
      const other = i + (this.next() % (n - i))
      const here = all[i]
      all[i] = all[other]
      all[other] = here
    }
    return all.slice(0, count)
  }

  #twist(): void {
    const s = this.#state
    for (let i = 0; i < 624; i++) {
      const y = (s[i] & 0x80000000) | (s[(i + 1) % 624] & 0x7fffffff)
      s[i] = s[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0)
    }
    this.#at = 0
  }
}
