import * as v from 'valibot'
import { Tensor } from '../graph'
import type { FlatParameters } from '../nn/parameters'
import { Random } from '../ops/philox'
import { finite, positive, targeting } from './config'
import type { Kind, Method, Prepared, Start } from './method'
import { ProjectionAdapter } from './projection'
import { findTargets, type Target } from './targets'
import { TorchRandom } from './torch_random'

const schema = v.strictObject({
  ...targeting,
  bias: v.optional(v.picklist(['none', 'all', 'fourier_only']), 'none'),
  /** How many numbers of ΔW's spectrum are trained. */
  nFrequency: v.optional(positive, 1000),
  /** The factor on ΔW. */
  scaling: v.optional(finite, 150),
  /** The seed of their places. */
  randomLocSeed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 777),
  /** Whether the spectrum starts at 0 (ΔW = 0) instead of at random. */
  initWeights: v.optional(v.boolean(), false),
})

type FourierConfig = v.InferOutput<typeof schema>

export const fourierft: Kind<typeof schema> = {
  schema,
  written: async () => ({ auto_mapping: null, inference_mode: true, n_frequency_pattern: {}, revision: null }),
  create: async (model, config, seed) => new FourierFT(config, await findTargets(model, config), seed),
}

/**
 * FourierFT (Gao et al. 2024): ΔW = s·Re(ifft2(F)), where of F [out, in] only n places (u, v), random and the same in all layers of
 * a shape, hold a trained number c. So ΔW[p, q] = s/(out·in) · Σ c·cos 2π(u·p/out + v·q/in), which is a product:
 * cos(a + b) = cos a·cos b − sin a·sin b.
 */
class FourierFT implements Method {
  readonly targets: string[]
  readonly parameters: Start[]
  readonly #shapes: (readonly [outputs: number, inputs: number])[]
  readonly #waves = new Map<string, { A: Tensor; B: Tensor }>()

  constructor(
    private readonly config: FourierConfig,
    targets: Target[],
    seed: number,
  ) {
    const { nFrequency: n, initWeights } = config
    this.targets = targets.map(({ layer }) => layer.name)
    this.#shapes = targets.map(({ layer }) => layer.weight.shape as readonly [number, number])
    const small = this.#shapes.findIndex(([outputs, inputs]) => outputs * inputs < n)
    if (small >= 0)
      throw new TypeError(`peft config: nFrequency: ${this.targets[small]} has ${this.#shapes[small].join('×')} places, fewer than ${n}`)
    this.parameters = this.targets.map((path, i) => ({
      name: `${path}.fourierft_spectrum`,
      shape: [n],
      init: () => (initWeights ? new Float32Array(n) : new Random(seed, i).normal(n, 1)),
    }))
  }

  async ready({ device }: FlatParameters): Promise<void> {
    for (const shape of this.#shapes) {
      if (this.#waves.has(`${shape}`)) continue
      const { A, B } = this.#drawn(shape)
      const n = 2 * this.config.nFrequency
      this.#waves.set(`${shape}`, { A: Tensor.from(device, A, [n, shape[1]]), B: Tensor.from(device, B, [shape[0], n]) })
    }
  }

  prepare(trained: FlatParameters): Prepared {
    const adapters = this.targets.map((path, i): [string, ProjectionAdapter] => {
      const waves = this.#waves.get(`${this.#shapes[i]}`) as { A: Tensor; B: Tensor }
      return [path, new ProjectionAdapter({ ...waves, middle: trained.get(`${path}.fourierft_spectrum`), dropout: 0 })]
    })
    return { adapters: new Map(adapters), derived: [] }
  }

  /** A [2n, in]: rows cos, then sin, of v's waves. B [out, 2n]: columns cos, then −sin, of u's, with the factor. */
  #drawn([outputs, inputs]: readonly [number, number]): { A: Float32Array; B: Float32Array } {
    const { nFrequency: n, randomLocSeed, scaling } = this.config
    const places = new TorchRandom(randomLocSeed).permutation(outputs * inputs, n)
    const A = new Float32Array(2 * n * inputs)
    const B = new Float32Array(outputs * 2 * n)
    const factor = scaling / (outputs * inputs)
    places.forEach((place, k) => {
      const [u, w] = [Math.floor(place / inputs), place % inputs]
      for (let q = 0; q < inputs; q++) {
        const angle = (2 * Math.PI * ((w * q) % inputs)) / inputs
        A[k * inputs + q] = Math.cos(angle)
        A[(n + k) * inputs + q] = Math.sin(angle)
      }
      for (let p = 0; p < outputs; p++) {
        const angle = (2 * Math.PI * ((u * p) % outputs)) / outputs
        B[p * 2 * n + k] = factor * Math.cos(angle)
        B[p * 2 * n + n + k] = -factor * Math.sin(angle)
      }
    })
    return { A, B }
  }
}
