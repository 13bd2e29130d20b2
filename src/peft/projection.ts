import { noGrad, Tensor } from '../graph'
import type { Linear } from '../nn/linear'
import type { LinearAdapter, Pass } from '../nn/pass'
import { add } from '../ops/add'
import { gemm } from '../ops/gemm'
import { linear } from '../ops/linear'
import { mul } from '../ops/mul'

export interface ProjectionOptions {
  /** [k·n, in], frozen */
  A: Tensor
  /** [out, k·n], frozen */
  B: Tensor
  /** [n], trained: scales what A gives, n numbers at a time. */
  middle: Tensor
  /** [out], trained */
  end?: Tensor
  dropout: number
}

/** y = W·x + b + end ⊙ B·(middle ⊙ A·dropout(x)): between frozen projections only scales are trained. */
export class ProjectionAdapter implements LinearAdapter {
  constructor(private readonly options: ProjectionOptions) {}

  forward({ weight, bias }: Linear, x: Tensor, pass: Pass): Tensor {
    return add(linear(x, pass.of(weight), pass.of(bias)), this.#delta(pass.dropout(x, this.options.dropout)))
  }

  /** ΔW is what becomes of the identity. */
  mergeInto(weight: Tensor): void {
    const [outputs, inputs] = weight.shape
    const one = new Float32Array(inputs * inputs)
    for (let i = 0; i < inputs; i++) one[i * inputs + i] = 1
    const identity = Tensor.from(weight.device, one, [inputs, inputs])
    const delta = noGrad(() => this.#delta(identity))
    gemm({
      op: 'merge',
      a: { tensor: delta, rowStride: outputs, transposed: true },
      b: { tensor: identity, rowStride: inputs },
      c: { tensor: weight, rowStride: inputs },
      m: outputs,
      n: inputs,
      k: inputs,
      accumulate: true,
    })
    identity.dispose()
  }

  #delta(x: Tensor): Tensor {
    const { A, B, middle, end } = this.options
    const inner = linear(x, A)
    const scaled = mul(inner.view([inner.size / middle.size, middle.size]), middle).view(inner.shape)
    const y = linear(scaled, B)
    return end ? mul(y, end) : y
  }
}
