import * as v from 'valibot'
import { noGrad, type Tensor } from '../graph'
import type { FlatParameters, ParameterSpec } from '../nn/parameters'
import { convertAll, packedLayout } from '../ops/conversion'
import { Random } from '../ops/philox'
import { finite } from './config'
import { LowRankAdapter, lowRankKeys } from './low_rank'
import type { Derived, Kind, LowRankFactors, Method } from './method'
import { findTargets, roleOf, type Target } from './targets'

const schema = v.strictObject({
  ...lowRankKeys,
  /** How A comes from W0: Θa·W0ᵀ as the authors' program (square W0), or Θa·W0 (`rectangular`, any shape). */
  conversion: v.optional(v.picklist(['code', 'rectangular']), 'code'),
  /** Where loraDropout acts: before the adapter alone, or before the frozen product too (the authors' program). */
  dropoutPlacement: v.optional(v.picklist(['adapter', 'input']), 'adapter'),
  /** The authors' variants in which the layer's input counts (see `condlora_x.ts`); not in the paper. */
  useX: v.optional(v.picklist(['none', 'type1', 'type2']), 'none'),
  /** How much, with useX. */
  loraXScaling: v.optional(v.pipe(finite, v.gtValue(0), v.maxValue(1)), 0.5),
  /** Digest of the encoder whose weights A and B are computed from; written by itself. null: any will do. */
  baseDigest: v.optional(v.nullable(v.string()), null),
})

export type CondLoraConfig = v.InferOutput<typeof schema>

export const condlora: Kind<typeof schema> = {
  schema,
  written: async () => ({ inference_mode: true }),
  create: async (model, config, seed) => {
    const { encoderDigest } = model
    if (config.baseDigest && encoderDigest && config.baseDigest !== encoderDigest)
      throw new Error(
        `CondLoRA computes A and B from the base's weights: the adapter was trained on a base with the digest ${config.baseDigest}, ` +
          `${model.nameOrPath} has ${encoderDigest}. Load its own base, or say { config: { baseDigest: null } } to use this one all the same`,
      )
    config.baseDigest = encoderDigest || config.baseDigest
    const targets = await findTargets(model, config)
    const plain = new CondLora(config, targets, seed)
    return config.useX === 'none' ? plain : new (await import('./condlora_x')).CondLoraX(plain, config, targets)
  },
}

/** Layers that share one pair (Θa, Θb): of one role (`attention.self.query`) and one shape. */
interface Group {
  role: string
  targets: Target[]
  outputs: number
  inputs: number
}

/**
 * CondLoRA (Kim, Sasaki, Hoshino, Honda 2024): one pair of linear maps per kind of module computes every layer's A and B
 * from its frozen weight W0 (eqs. 5–7): A = Θa·W0ᵀ (`code`) or Θa·W0 (`rectangular`), B = W0·Θbᵀ, ΔW = s·B·A.
 * Θa [r, contracted size] starts Kaiming-uniform with a = √5, Θb [r, in] zero.
 */
export class CondLora implements Method {
  readonly targets: string[]
  readonly parameters: ParameterSpec[]
  readonly #groups: Group[]

  constructor(
    private readonly config: CondLoraConfig,
    targets: Target[],
    seed: number,
  ) {
    this.targets = targets.map(({ layer }) => layer.name)
    this.#groups = groupByRole(targets)
    const { r, conversion } = config
    for (const { targets, outputs, inputs } of this.#groups)
      if (conversion === 'code' && outputs !== inputs)
        throw new Error(
          `CondLoRA: ${targets[0].layer.name} has a weight of ${outputs}×${inputs}; the conversion "code" takes square ones: use conversion "rectangular"`,
        )
    this.parameters = this.#groups.flatMap(({ role, outputs, inputs }, i) => {
      const contracted = conversion === 'code' ? inputs : outputs
      const bound = 1 / Math.sqrt(contracted)
      return [
        { name: nameA(role), shape: [r, contracted], init: () => new Random(seed, i).uniform(r * contracted, -bound, bound) },
        { name: nameB(role), shape: [r, inputs], init: () => new Float32Array(r * inputs) },
      ]
    })
  }

  prepare(trained: FlatParameters) {
    const adapters = new Map<string, LowRankAdapter>()
    const derived: Derived[] = []
    for (const groups of this.#alike()) {
      const { tensor, factors } = this.#convert(groups, trained)
      const leaves: Derived['leaves'] = []
      for (const { path, A, B, scaling } of factors) {
        adapters.set(path, new LowRankAdapter({ A, B, scaling, dropout: this.config.loraDropout, placement: this.config.dropoutPlacement }))
        for (const leaf of [A, B]) leaves.push([leaf.requireGrad(), leaf.offset])
      }
      derived.push({ tensor, leaves })
    }
    return { adapters, derived }
  }

  asLora(trained: FlatParameters): LowRankFactors[] {
    return this.#alike().flatMap((groups) => this.#convert(groups, trained).factors)
  }

  /** Groups of one shape and number of layers: converted together, their A and B of one layer follow each other in memory. */
  #alike(): Group[][] {
    const all = new Map<string, Group[]>()
    for (const group of this.#groups) {
      const key = `${group.outputs}x${group.inputs} ${group.targets.length}`
      all.set(key, [...(all.get(key) ?? []), group])
    }
    return [...all.values()]
  }

  /** A and B of all layers of groups that are alike, as views of one tensor. */
  #convert(groups: Group[], trained: FlatParameters): { tensor: Tensor; factors: LowRankFactors[] } {
    const { r, conversion } = this.config
    const [{ targets, outputs, inputs }] = groups
    const kinds = groups.map(({ role, targets }) => ({
      weights: targets.map((t) => t.layer.weight),
      thetaA: trained.get(nameA(role)),
      thetaB: trained.get(nameB(role)),
    }))
    const tensor = convertAll(kinds, conversion)
    const at = packedLayout(groups.length * targets.length, r, outputs, inputs)
    // Leaves of their own: what reaches them goes back through the conversion once per optimizer step, not once per batch.
    const factors = noGrad(() =>
      groups.flatMap(({ targets }, kind) =>
        targets.map(({ layer, scaling }, l) => ({
          path: layer.name,
          scaling,
          A: tensor.view([r, inputs], (l * groups.length + kind) * at.strideA),
          B: tensor.view([outputs, r], at.startB + (l * groups.length + kind) * at.strideB),
        })),
      ),
    )
    return { tensor, factors }
  }
}

const nameA = (role: string) => `conversion.${role}.theta_A`
const nameB = (role: string) => `conversion.${role}.theta_B`

/** Never by the last name alone: RoBERTa has three different `dense`. A role with several shapes gets a group for each. */
function groupByRole(targets: Target[]): Group[] {
  const groups = new Map<string, Group>()
  for (const target of targets) {
    const [outputs, inputs] = target.layer.weight.shape
    const role = roleOf(target.layer.name)
    const key = `${role} ${outputs}x${inputs}`
    const group = groups.get(key)
    if (group) group.targets.push(target)
    else groups.set(key, { role, targets: [target], outputs, inputs })
  }
  const all = [...groups.values()]
  const several = (role: string) => all.filter((g) => g.role === role).length > 1
  return all.map((g) => (several(g.role) ? { ...g, role: `${g.role}.${g.outputs}x${g.inputs}` } : g))
}
