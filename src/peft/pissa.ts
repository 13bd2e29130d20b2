import { Tensor } from '../graph'
import type { FlatParameters } from '../nn/parameters'
import { Lora, type LoraConfig, nameA, nameB } from './lora'
import type { LowRankFactors, Method, Prepared, Start } from './method'
import { largestSingular } from './singular'
import type { Target } from './targets'

/**
 * PiSSA (Meng et al. 2024): LoRA whose A and B start as the r largest singular values and vectors of W0, A = √(S/s)·Vᵀ and
 * B = U·√(S/s), while W0 − s·B·A stands in for W0. Nothing changes at the start. A file of it is LoRA's, as PEFT's is: whoever loads it
 * decomposes W0 again. As plain LoRA, beside W0 itself, it has twice the rank: ΔW = s·(B·A − B₀·A₀) = s·[B −B₀]·[A; A₀].
 */
export class Pissa implements Method {
  readonly targets: string[]
  readonly parameters: Start[]
  readonly replaced = new Map<Tensor, Tensor>()
  readonly #lora: Lora
  readonly #layers: Target[]
  /** A and B as they start, of each layer. */
  readonly #parts = new Map<string, Promise<{ A: Float32Array; B: Float32Array }>>()

  constructor(
    private readonly config: LoraConfig,
    layers: Target[],
    seed: number,
  ) {
    this.#lora = new Lora(config, layers, seed)
    this.#layers = layers
    this.targets = this.#lora.targets
    const inits = new Map<string, Start['init']>()
    for (const target of layers) {
      inits.set(nameA(target.layer.name), async () => (await this.#part(target)).A)
      inits.set(nameB(target.layer.name), async () => (await this.#part(target)).B)
    }
    this.parameters = this.#lora.parameters.map((start) => ({ ...start, init: inits.get(start.name) ?? start.init }))
  }

  /** W0 − s·B·A of what A and B start as, whatever they are now. */
  async ready({ device }: FlatParameters): Promise<void> {
    for (const target of this.#layers) {
      const { layer, r, scaling } = target
      const { A, B } = await this.#part(target)
      const rest = await layer.weight.data()
      const [outputs, inputs] = layer.weight.shape
      for (let i = 0; i < outputs; i++)
        for (let j = 0; j < inputs; j++) {
          let delta = 0
          for (let k = 0; k < r; k++) delta += B[i * r + k] * A[k * inputs + j]
          rest[i * inputs + j] -= scaling * delta
        }
      this.replaced.set(layer.weight, Tensor.from(device, rest, layer.weight.shape))
    }
  }

  prepare(trained: FlatParameters): Prepared {
    return this.#lora.prepare(trained)
  }

  asLora(trained: FlatParameters): Promise<LowRankFactors[]> {
    const now = this.#lora.asLora(trained)
    const factors = this.#layers.map(async (target, i): Promise<LowRankFactors> => {
      const { path, A, B, scaling } = now[i]
      const [[r, inputs], outputs] = [A.shape, B.shape[0]]
      const [first, a, b] = [await this.#part(target), await A.data(), await B.data()]
      const tall = new Float32Array(2 * r * inputs)
      tall.set(a)
      tall.set(first.A, a.length)
      const wide = new Float32Array(outputs * 2 * r)
      for (let row = 0; row < outputs; row++)
        for (let k = 0; k < r; k++) {
          wide[row * 2 * r + k] = b[row * r + k]
          wide[row * 2 * r + r + k] = -first.B[row * r + k]
        }
      const { device } = trained
      return {
        path,
        A: Tensor.from(device, tall, [2 * r, inputs]),
        B: Tensor.from(device, wide, [outputs, 2 * r]),
        scaling,
      }
    })
    return Promise.all(factors)
  }

  #part(target: Target): Promise<{ A: Float32Array; B: Float32Array }> {
    const { name } = target.layer
    const known = this.#parts.get(name) ?? this.#decompose(target)
    this.#parts.set(name, known)
    return known
  }

  async #decompose({ layer: { weight }, r, scaling }: Target): Promise<{ A: Float32Array; B: Float32Array }> {
    const turns = /_niter_(\d+)$/.exec(`${this.config.initLoraWeights}`)?.[1]
    const { U, S, V } = largestSingular(await weight.data(), weight.shape, r, turns === undefined ? undefined : Number(turns))
    const [outputs, inputs] = weight.shape
    const root = S.map((s) => Math.sqrt(s / scaling))
    return {
      A: Float32Array.from({ length: r * inputs }, (_, i) => root[Math.floor(i / inputs)] * V.get(Math.floor(i / inputs), i % inputs)),
      B: Float32Array.from({ length: outputs * r }, (_, i) => root[i % r] * U.get(Math.floor(i / r), i % r)),
    }
  }
}
