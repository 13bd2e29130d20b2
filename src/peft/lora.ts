import * as v from 'valibot'
import type { FlatParameters, ParameterSpec } from '../nn/parameters'
import { Random } from '../ops/philox'
import { finite, positive } from './config'
import { LowRankAdapter, lowRankKeys } from './low_rank'
import type { LowRankFactors, Method, Prepared } from './method'
import type { Target } from './targets'

export const loraSchema = v.strictObject({
  ...lowRankKeys,
  /** Scale loraAlpha / √r instead. */
  useRslora: v.optional(v.boolean(), false),
  /** Other ranks and alphas by the end of a module path. */
  rankPattern: v.optional(v.record(v.string(), positive), {}),
  alphaPattern: v.optional(v.record(v.string(), finite), {}),
  /**
   * How A and B start: true as Microsoft's program (ΔW = 0), `gaussian` (ΔW = 0), false (ΔW ≠ 0), `pissa` or the quicker
   * `pissa_niter_16` from the singular values of W0 (see `pissa.ts`).
   */
  initLoraWeights: v.optional(v.union([v.boolean(), v.pipe(v.string(), v.regex(/^(gaussian|pissa(_niter_\d+)?)$/))]), true),
  /** DoRA: direction and magnitude of each row apart (see `dora.ts`). */
  useDora: v.optional(v.boolean(), false),
  /** LoRA+: B (and what has one dimension) learns so many times faster than A. Not stored. */
  loraplusLrRatio: v.optional(v.pipe(finite, v.gtValue(0)), 1),
  /** LoRA-FA: A stays as it starts. Not stored. */
  freezeA: v.optional(v.boolean(), false),
})

export type LoraConfig = v.InferOutput<typeof loraSchema>

/**
 * LoRA (Hu et al. 2021): ΔW = s·B·A with an A [r, in] and a B [out, r] for each layer. A starts Kaiming-uniform with
 * a = √5, U(±1/√in), and B zero, so that ΔW starts at 0.
 */
export class Lora implements Method {
  readonly targets: string[]
  /** A of each target, then B of each. */
  readonly parameters: ParameterSpec[]
  readonly #targets: Target[]

  constructor(
    private readonly config: LoraConfig,
    targets: Target[],
    seed: number,
  ) {
    this.targets = targets.map(({ layer }) => layer.name)
    this.#targets = targets
    const { initLoraWeights, loraplusLrRatio: lrScale, freezeA } = config
    const uniform = (n: number, fan: number, stream: number) => new Random(seed, stream).uniform(n, -1 / Math.sqrt(fan), 1 / Math.sqrt(fan))
    const each = (body: (name: string, r: number, shape: readonly number[], i: number) => ParameterSpec) =>
      targets.map(({ layer, r }, i) => body(layer.name, r, layer.weight.shape, i))
    // A of all layers, then B of all: those of one input follow each other in memory, and products take them together.
    this.parameters = [
      ...each((name, r, [, inputs], i) => {
        const init = () => (initLoraWeights === 'gaussian' ? new Random(seed, i).normal(r * inputs, 1 / r) : uniform(r * inputs, inputs, i))
        return { name: nameA(name), shape: [r, inputs], init, frozen: freezeA }
      }),
      ...each((name, r, [outputs], i) => {
        const init = () => (initLoraWeights === false ? uniform(outputs * r, r, targets.length + i) : new Float32Array(outputs * r))
        return { name: nameB(name), shape: [outputs, r], init, lrScale }
      }),
    ]
  }

  prepare(trained: FlatParameters): Prepared {
    const adapters = this.#targets.map(({ layer, scaling }): [string, LowRankAdapter] => {
      const [A, B] = [trained.get(nameA(layer.name)), trained.get(nameB(layer.name))]
      return [layer.name, new LowRankAdapter({ A, B, scaling, dropout: this.config.loraDropout, placement: 'adapter' })]
    })
    return { adapters: new Map(adapters), derived: [] }
  }

  asLora(trained: FlatParameters): LowRankFactors[] {
    return this.#targets.map(({ layer: { name }, scaling }) => ({
      path: name,
      A: trained.get(nameA(name)),
      B: trained.get(nameB(name)),
      scaling,
    }))
  }
}

/** PEFT's key of a layer's A, without `base_model.model.`. */
export const nameA = (path: string) => `${path}.lora_A.weight`
export const nameB = (path: string) => `${path}.lora_B.weight`
