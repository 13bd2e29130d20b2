import * as v from 'valibot'
import { Tensor } from '../graph'
import type { FlatParameters } from '../nn/parameters'
import { finite, positive, rate, targeting } from './config'
import type { Kind, Method, Prepared, Start } from './method'
import { ProjectionAdapter } from './projection'
import { findTargets, type Target } from './targets'
import { TorchRandom } from './torch_random'

// PEFT's VeraConfig has no excludeModules.
const { excludeModules: _, ...found } = targeting
const schema = v.strictObject({
  ...found,
  bias: v.optional(v.picklist(['none', 'all', 'vera_only']), 'none'),
  /** Rank of the shared projections. */
  r: v.optional(positive, 256),
  /** Dropout on the adapter's input. */
  veraDropout: v.optional(rate, 0),
  /** Where λd starts; λb starts at 0. */
  dInitial: v.optional(finite, 0.1),
  /** The seed of the projections. */
  projectionPrngKey: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
  /** Whether the file holds the projections; without them it is small, and the seed gives them again. */
  saveProjection: v.optional(v.boolean(), true),
})

type VeraConfig = v.InferOutput<typeof schema>

export const vera: Kind<typeof schema> = {
  schema,
  written: async () => ({ auto_mapping: null, inference_mode: true, init_weights: true, revision: null }),
  create: async (model, config) => new Vera(config, await findTargets(model, config)),
}

/**
 * VeRA (Kopiczko et al. 2024): ΔW = diag(λb)·B·diag(λd)·A, where A and B are random, frozen and shared by all layers (each takes
 * what it needs of their rows and columns); λd [r] and λb [out] are trained for each layer.
 */
class Vera implements Method {
  readonly targets: string[]
  readonly parameters: Start[]
  readonly #shapes: Map<string, readonly [outputs: number, inputs: number]>
  /** The projections in full: [r, most inputs], [most outputs, r]. */
  readonly #full: { A: [number, number]; B: [number, number]; draw: () => { A: Float32Array; B: Float32Array } }
  /** What each layer takes of them, once there are numbers. */
  #projections: ((path: string) => { A: Tensor; B: Tensor }) | undefined

  constructor(
    private readonly config: VeraConfig,
    targets: Target[],
  ) {
    const { r, dInitial, projectionPrngKey, saveProjection } = config
    this.targets = targets.map(({ layer }) => layer.name)
    this.#shapes = new Map(targets.map(({ layer }) => [layer.name, layer.weight.shape as readonly [number, number]]))
    const [outputs, inputs] = [0, 1].map((d) => Math.max(...[...this.#shapes.values()].map((shape) => shape[d])))
    const draw = () => {
      const random = new TorchRandom(projectionPrngKey)
      const kaiming = (rows: number, columns: number) => random.uniform(rows * columns, Math.sqrt(3) * (Math.SQRT2 / Math.sqrt(columns)))
      return { A: kaiming(r, inputs), B: kaiming(outputs, r) }
    }
    this.#full = { A: [r, inputs], B: [outputs, r], draw }
    this.parameters = this.targets.flatMap((path): Start[] => [
      {
        name: `${path}.vera_lambda_b`,
        shape: [this.#shapes.get(path)?.[0] ?? 0],
        init: () => new Float32Array(this.#shapes.get(path)?.[0] ?? 0),
      },
      { name: `${path}.vera_lambda_d`, shape: [r], init: () => new Float32Array(r).fill(dInitial) },
    ])
    if (saveProjection)
      this.parameters.push(
        { name: 'vera_A', shape: this.#full.A, init: () => draw().A, frozen: true },
        { name: 'vera_B', shape: this.#full.B, init: () => draw().B, frozen: true },
      )
  }

  /** Reads the projections where they are part of the file, else draws them. */
  async ready(trained: FlatParameters): Promise<void> {
    const { A, B } = this.config.saveProjection
      ? { A: await trained.get('vera_A').data(), B: await trained.get('vera_B').data() }
      : this.#full.draw()
    const whole = Tensor.from(trained.device, B, this.#full.B)
    const { r } = this.config
    const byInputs = new Map<number, Tensor>()
    const columns = (inputs: number) => {
      const width = this.#full.A[1]
      const found = byInputs.get(inputs) ?? Tensor.from(trained.device, firstColumns(A, width, inputs), [r, inputs])
      byInputs.set(inputs, found)
      return found
    }
    this.#projections = (path) => {
      const [outputs, inputs] = this.#shapes.get(path) ?? [0, 0]
      return { A: columns(inputs), B: whole.view([outputs, r]) }
    }
  }

  prepare(trained: FlatParameters): Prepared {
    const adapters = this.targets.map((path): [string, ProjectionAdapter] => {
      const [end, middle] = ['b', 'd'].map((side) => trained.get(`${path}.vera_lambda_${side}`))
      const projections = this.#projections?.(path) as { A: Tensor; B: Tensor }
      return [path, new ProjectionAdapter({ ...projections, middle, end, dropout: this.config.veraDropout })]
    })
    return { adapters: new Map(adapters), derived: [] }
  }
}

function firstColumns(matrix: Float32Array, width: number, columns: number): Float32Array {
  if (columns === width) return matrix
  return Float32Array.from({ length: (matrix.length / width) * columns }, (_, i) => matrix[Math.floor(i / columns) * width + (i % columns)])
}
