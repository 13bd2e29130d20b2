import * as v from 'valibot'
import { noGrad } from '../graph'
import type { FlatParameters } from '../nn/parameters'
import { matmul } from '../ops/matmul'
import { Random } from '../ops/philox'
import { nameA, nameB } from './lora'
import { LowRankAdapter, lowRankKeys } from './low_rank'
import type { Derived, Kind, LowRankFactors, Method, Prepared, Start } from './method'
import { largestSingular } from './singular'
import { findTargets, type Target } from './targets'

const schema = v.strictObject(lowRankKeys)

type XsConfig = v.InferOutput<typeof schema>

export const loraXs: Kind<typeof schema> = {
  schema,
  written: async () => ({ inference_mode: true }),
  create: async (model, config, seed) => new LoraXs(config, await findTargets(model, config), seed),
}

/**
 * LoRA-XS (Bałazy et al. 2024): ΔW = s·B·R·A, where A = Vᵀ and B = U·S are the r largest singular values and vectors of W0, frozen, and
 * R [r, r] alone is trained; it starts at N(0, 10⁻⁵), so that nearly nothing changes. A and B are saved along.
 */
class LoraXs implements Method {
  readonly targets: string[]
  readonly parameters: Start[]

  constructor(
    private readonly config: XsConfig,
    private readonly layers: Target[],
    seed: number,
  ) {
    this.targets = layers.map(({ layer }) => layer.name)
    this.parameters = layers.flatMap(({ layer: { name, weight }, r }, i): Start[] => {
      const [outputs, inputs] = weight.shape
      let parts: Promise<ReturnType<typeof largestSingular>> | undefined
      const decomposed = () => (parts ??= weight.data().then((data) => largestSingular(data, weight.shape, r)))
      const A = async () => Float32Array.from((await decomposed()).V.to1DArray())
      const B = async () => {
        const { U, S } = await decomposed()
        return Float32Array.from(U.to1DArray(), (u, at) => u * S[at % r])
      }
      return [
        { name: nameA(name), shape: [r, inputs], init: A, frozen: true },
        { name: nameB(name), shape: [outputs, r], init: B, frozen: true },
        { name: nameR(name), shape: [r, r], init: () => new Random(seed, i).normal(r * r, 1e-5) },
      ]
    })
  }

  prepare(trained: FlatParameters): Prepared {
    const derived: Derived[] = []
    const adapters = this.#factors(trained).map(({ path, A, B: tensor, scaling }): [string, LowRankAdapter] => {
      const B = noGrad(() => tensor.view(tensor.shape)).requireGrad()
      derived.push({ tensor, leaves: [[B, 0]] })
      return [path, new LowRankAdapter({ A, B, scaling, dropout: this.config.loraDropout, placement: 'adapter' })]
    })
    return { adapters: new Map(adapters), derived }
  }

  asLora(trained: FlatParameters): LowRankFactors[] {
    return noGrad(() => this.#factors(trained))
  }

  /** A and B·R of each layer. */
  #factors(trained: FlatParameters): LowRankFactors[] {
    return this.layers.map(({ layer: { name }, scaling }) => ({
      path: name,
      scaling,
      A: trained.get(nameA(name)),
      B: matmul(trained.get(nameB(name)), trained.get(nameR(name))),
    }))
  }
}

const nameR = (path: string) => `${path}.lora_latent_mapping.weight`
