/**
 * A 64-bit checksum of numbers given piece by piece, about a nanosecond a number: tells weights apart, hides nothing.
 * The same numbers in other pieces give the same sum.
 */
export class Digest {
  #a = 0x9e3779b9 | 0
  #b = 0x7f4a7c15 | 0

  add(values: Float32Array): void {
    const words = new Uint32Array(values.buffer, values.byteOffset, values.length)
    let [a, b] = [this.#a, this.#b]
    // The turn brings what multiplying carried upward down again.
    for (let i = 0; i < words.length; i++) {
      a = Math.imul(a ^ words[i], 0x9e3779b1)
      a = (a << 13) | (a >>> 19)
      b = Math.imul((b + words[i]) | 0, 0x85ebca6b)
      b = (b << 17) | (b >>> 15)
    }
    this.#a = a
    this.#b = b
  }

  get hex(): string {
    return [this.#a, this.#b].map((h) => (h >>> 0).toString(16).padStart(8, '0')).join('')
  }
}
