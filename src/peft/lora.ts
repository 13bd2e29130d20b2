import type { FlatParameters, ParameterSpec } from '../nn/parameters'
import { Random } from '../ops/philox'
import type { ResolvedPeftConfig } from './config'
import { LowRankAdapter } from './low_rank'
import type { LowRankFactors, Method, Prepared } from './method'
import type { Target } from './targets'

/**
 * LoRA (Hu et al. 2021): ΔW = s·B·A with an A [r, in] and a B [out, r] for each layer. A starts Kaiming-uniform with
 * a = √5, U(±1/√in), and B zero, so that ΔW starts at 0.
 */
export class Lora implements Method {
  readonly parameters: ParameterSpec[]

  constructor(
    private readonly config: ResolvedPeftConfig,
    private readonly targets: Target[],
    seed: number,
  ) {
    this.parameters = targets.flatMap(({ layer, r }, i) => {
      const [outputs, inputs] = layer.weight.shape
      const bound = 1 / Math.sqrt(inputs)
      return [
        { name: nameA(layer.name), shape: [r, inputs], init: () => new Random(seed, i).uniform(r * inputs, -bound, bound) },
        { name: nameB(layer.name), shape: [outputs, r], init: () => new Float32Array(outputs * r) },
      ]
    })
  }

  prepare(trained: FlatParameters): Prepared {
    const adapters = this.targets.map(({ layer, scaling }): [string, LowRankAdapter] => {
      const [A, B] = [trained.get(nameA(layer.name)), trained.get(nameB(layer.name))]
      return [layer.name, new LowRankAdapter({ A, B, scaling, dropout: this.config.loraDropout, placement: 'adapter' })]
    })
    return { adapters: new Map(adapters), derived: [] }
  }

  asLora(trained: FlatParameters): LowRankFactors[] {
    return this.targets.map(({ layer: { name } }) => ({ path: name, A: trained.get(nameA(name)), B: trained.get(nameB(name)) }))
  }
}

/** PEFT's key of a layer's A, without `base_model.model.`. */
export const nameA = (path: string) => `${path}.lora_A.weight`
export const nameB = (path: string) => `${path}.lora_B.weight`
