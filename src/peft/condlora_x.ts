import { noGrad, type Tensor } from '../graph'
import type { Linear } from '../nn/linear'
import type { FlatParameters } from '../nn/parameters'
import type { LinearAdapter, Pass } from '../nn/pass'
import { add } from '../ops/add'
import { firstToken } from '../ops/first_token'
import { linear } from '../ops/linear'
import { matmul } from '../ops/matmul'
import { scale } from '../ops/scale'
import type { CondLora, CondLoraConfig } from './condlora'
import { LowRankAdapter } from './low_rank'
import type { LowRankFactors, Method, Prepared, Start } from './method'
import type { Target } from './targets'

const nameX = 'conversion.theta_x'

/**
 * The variants of the authors' program in which one more tensor Θx, shared by all layers and zero at the start, reads a layer's input x
 * (after dropout). With c = loraXScaling and x₀ the first token of each example:
 *
 *   type1: y = W0·x + b + s·B·(A + c·Θx)·x,           Θx [r, in]: another A, merged and written as LoRA like that
 *   type2: y = W0·x + b + s·B·A·x + s·c·(x·x₀)·Θx,    Θx [out, 1]: no weight does that, as what x meets hangs on its own example
 */
export class CondLoraX implements Method {
  readonly targets: string[]
  readonly parameters: Start[]

  constructor(
    private readonly plain: CondLora,
    private readonly config: CondLoraConfig,
    targets: Target[],
  ) {
    this.targets = plain.targets
    const shape = config.useX === 'type1' ? [config.r, common(targets, 'type1', 1)] : [common(targets, 'type2', 0), 1]
    const pooled = targets.find(({ layer }) => !/\.layer\.\d+\./.test(layer.name))
    if (config.useX === 'type2' && pooled)
      throw new Error(`CondLoRA: useX "type2" reads the first of a layer's tokens; ${pooled.layer.name} has one vector for each example`)
    const init = () => new Float32Array(shape[0] * shape[1])
    this.parameters = [...plain.parameters, { name: nameX, shape, init }]
  }

  prepare(trained: FlatParameters): Prepared {
    const { adapters, derived } = this.plain.prepare(trained)
    const shared = this.#scaled(trained)
    const fixed: Tensor[] = []
    const changed = [...adapters].map(([path, adapter]): [string, LinearAdapter] => {
      // A leaf for each layer: what reaches them is summed up in one order, with gradient checkpointing too.
      const leaf = noGrad(() => shared.view(shared.shape)).requireGrad()
      derived.push({ tensor: shared.view(shared.shape), leaves: [[leaf, 0]] })
      if (this.config.useX === 'type2') return [path, new FirstTokenAdapter(adapter, leaf)]
      const A = add(adapter.options.A, leaf)
      fixed.push(A)
      return [path, new LowRankAdapter({ ...adapter.options, A })]
    })
    return { adapters: new Map(changed), derived, fixed }
  }

  asLora(trained: FlatParameters): LowRankFactors[] {
    if (this.config.useX === 'type2') throw new Error(inseparable)
    return noGrad(() => {
      const shared = this.#scaled(trained)
      return this.plain.asLora(trained).map((factors) => ({ ...factors, A: add(factors.A, shared) }))
    })
  }

  /** c·Θx. */
  #scaled(trained: FlatParameters): Tensor {
    return scale(trained.get(nameX), this.config.loraXScaling)
  }
}

const inseparable =
  'CondLoRA with useX "type2" cannot be merged or written as LoRA: what it adds to a layer depends on each example’s first token, so that ' +
  'no weight holds it. Keep the adapter beside its base (predict and evaluate take it), or train with useX "type1" or "none"'

/** The rows (0) or columns (1) that the weights of all targets have, as Θx is one for all. */
function common(targets: Target[], variant: string, dimension: 0 | 1): number {
  const of = ({ layer }: Target) => layer.weight.shape[dimension]
  const other = targets.find((target) => of(target) !== of(targets[0]))
  if (other)
    throw new Error(
      `CondLoRA: useX "${variant}" has one Θx for all layers, whose weights must have as many ${dimension ? 'columns' : 'rows'}: ` +
        `${targets[0].layer.name} has ${of(targets[0])}, ${other.layer.name} ${of(other)}`,
    )
  return of(targets[0])
}

/**
 * factor · (x[b, t] · x[b, 0]) · θ: x [batch, length, in], θ [out, 1], y [batch, length, out], f32. x counts in the gradient as both.
 */
export function firstTokenTerm(x: Tensor, theta: Tensor, factor: number): Tensor {
  const [batch, , inputs] = x.shape
  const products = matmul(x, firstToken(x).view([batch, 1, inputs]), { transposeB: true })
  return linear(scale(products, factor), theta)
}

class FirstTokenAdapter implements LinearAdapter {
  constructor(
    private readonly plain: LowRankAdapter,
    private readonly theta: Tensor,
  ) {}

  forward(layer: Linear, x: Tensor, pass: Pass): Tensor {
    const { dropout, scaling } = this.plain.options
    const dropped = pass.dropout(x, dropout)
    return add(this.plain.forward(layer, x, pass, dropped), firstTokenTerm(dropped, this.theta, scaling))
  }

  mergeInto(): never {
    throw new Error(inseparable)
  }
}
