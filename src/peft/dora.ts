import { noGrad, Tensor } from '../graph'
import type { Linear } from '../nn/linear'
import type { FlatParameters } from '../nn/parameters'
import type { LinearAdapter, Pass } from '../nn/pass'
import { add } from '../ops/add'
import { gemm } from '../ops/gemm'
import { linear } from '../ops/linear'
import { loraLinear } from '../ops/lora_linear'
import { mul } from '../ops/mul'
import { inverseRowNorms } from '../ops/row_norm'
import { sub } from '../ops/sub'
import { Lora, type LoraConfig } from './lora'
import { LowRankAdapter } from './low_rank'
import type { LowRankFactors, Method, Prepared, Start } from './method'
import type { Target } from './targets'

/**
 * DoRA (Liu et al. 2024): W = m ⊙ (W0 + s·B·A) / ‖W0 + s·B·A‖, row by row. The magnitude m [out] starts as ‖W0 + s·B·A‖, so that
 * nothing changes; the norm counts as a constant in the gradient.
 */
export class Dora implements Method {
  readonly targets: string[]
  readonly parameters: Start[]
  readonly #lora: Lora

  constructor(
    private readonly config: LoraConfig,
    private readonly layers: Target[],
    seed: number,
  ) {
    this.#lora = new Lora(config, layers, seed)
    this.targets = this.#lora.targets
    const starts = this.#lora.parameters
    this.parameters = [
      ...starts,
      ...layers.map(({ layer: { name, weight }, r, scaling }, i): Start => {
        const [A, B] = [starts[i], starts[layers.length + i]]
        const init = async () => norms(weight.shape, { W: await weight.data(), A: A.init(), B: B.init() }, r, scaling)
        return { name: magnitude(name), shape: [weight.shape[0]], init, lrScale: config.loraplusLrRatio }
      }),
    ]
  }

  prepare(trained: FlatParameters): Prepared {
    const factors = this.#lora.asLora(trained)
    const { device } = trained
    const fixed: Tensor[] = []
    const adapters = this.layers.map(({ layer: { name, weight }, scaling }, i): [string, DoraAdapter] => {
      const { A, B } = factors[i]
      const inverse = Tensor.empty(device, [weight.shape[0]], 'dora')
      inverseRowNorms(weight, { A, B, scaling }, inverse)
      fixed.push(inverse)
      return [name, new DoraAdapter({ A, B, scaling, inverse, magnitude: trained.get(magnitude(name)), dropout: this.config.loraDropout })]
    })
    return { adapters: new Map(adapters), derived: [], fixed }
  }
}

const magnitude = (path: string) => `${path}.lora_magnitude_vector`

interface DoraOptions extends Omit<LowRankFactors, 'path'> {
  inverse: Tensor
  magnitude: Tensor
  dropout: number
}

class DoraAdapter implements LinearAdapter {
  constructor(private readonly options: DoraOptions) {}

  /** With g = m / ‖W0 + s·B·A‖: y = g ⊙ (W0 + s·B·A)·x + b. Dropout is of what is added to W0·x alone. */
  forward({ weight, bias }: Linear, x: Tensor, pass: Pass): Tensor {
    const { A, B, scaling, inverse, magnitude: m, dropout } = this.options
    const own = pass.of(weight)
    const dropped = pass.dropout(x, dropout)
    const scaled = mul(loraLinear(dropped, own, null, { A, B, scaling }), mul(m, inverse))
    const kept = dropped === x ? scaled : add(scaled, sub(linear(x, own), linear(dropped, own)))
    const b = pass.of(bias)
    return b ? add(kept, b) : kept
  }

  mergeInto(weight: Tensor): void {
    const { A, B, scaling, inverse, magnitude: m } = this.options
    new LowRankAdapter({ A, B, scaling, dropout: 0, placement: 'adapter' }).mergeInto(weight)
    const [outputs, inputs] = weight.shape
    // g ⊙ W by a product with the diagonal of g, as rows are scaled nowhere else.
    const diagonal = noGrad(() => mul(identity(weight, outputs), mul(m, inverse)))
    const copy = noGrad(() => add(weight, zeros(weight)))
    gemm({
      op: 'merge',
      a: { tensor: diagonal, rowStride: outputs },
      b: { tensor: copy, rowStride: inputs },
      c: { tensor: weight, rowStride: inputs },
      m: outputs,
      n: inputs,
      k: outputs,
    })
  }
}

function identity({ device }: Tensor, n: number): Tensor {
  const data = new Float32Array(n * n)
  for (let i = 0; i < n; i++) data[i * n + i] = 1
  return Tensor.from(device, data, [n, n])
}

const zeros = ({ device, shape, size }: Tensor) => Tensor.from(device, new Float32Array(size), shape)

/** ‖W[i] + s·B[i]·A‖ in float64. */
function norms(
  [outputs, inputs]: readonly number[],
  { W, A, B }: Record<'W' | 'A' | 'B', Float32Array>,
  r: number,
  scaling: number,
): Float32Array {
  return Float32Array.from({ length: outputs }, (_, i) => {
    let sum = 0
    for (let j = 0; j < inputs; j++) {
      let delta = 0
      for (let k = 0; k < r; k++) delta += B[i * r + k] * A[k * inputs + j]
      sum += (W[i * inputs + j] + scaling * delta) ** 2
    }
    return Math.sqrt(sum)
  })
}
