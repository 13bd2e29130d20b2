import { checkpoint, type Tensor } from '../graph'
import { dropout } from '../ops/dropout'
import type { addLowRank, LowRank } from '../ops/lora_linear'
import type { Linear } from './linear'

/** What changes a linear layer's output without touching its weight: LoRA and its relatives. */
export interface LinearAdapter {
  forward(layer: Linear, x: Tensor, pass: Pass): Tensor
  /**
   * Where `forward` does no more than add s·B·A·x' to x·Wᵀ + b: A, B, s and x' for an x, and the op that adds those of several layers,
   * which comes with the adapter, so that a page without one does not load it.
   */
  lowRank?(pass: Pass): { term(x: Tensor): Required<LowRank>; add: typeof addLowRank } | null
  /** Adds ΔW to `weight`, a copy of the layer's own: from then on that does what `forward` did. */
  mergeInto(weight: Tensor): void
}

export interface PassOptions {
  /** Dropout is on only with this. u32[4] on the GPU: seed, seed, step, 0; rewritten before each replay. */
  rngState?: Tensor | null
  /** By module path, e.g. `roberta.encoder.layer.0.attention.self.query`. */
  adapters?: ReadonlyMap<string, LinearAdapter>
  /** What stands in for tensors of the model: trained heads and biases, merged weights. */
  replaced?: ReadonlyMap<Tensor, Tensor>
  /** Of each layer only the input is kept for backward, which runs the layer again. */
  checkpointing?: boolean
}

/** One run of a model's forward: the model itself holds no mode and no adapter, so that one base serves many. */
export class Pass {
  readonly adapters: ReadonlyMap<string, LinearAdapter>
  readonly #replaced: ReadonlyMap<Tensor, Tensor>
  readonly #rngState: Tensor | null
  readonly #checkpointing: boolean
  #stream = 0

  constructor(options: PassOptions = {}) {
    this.adapters = options.adapters ?? new Map()
    this.#replaced = options.replaced ?? new Map()
    this.#rngState = options.rngState ?? null
    this.#checkpointing = options.checkpointing ?? false
  }

  get training(): boolean {
    return this.#rngState !== null
  }

  /** A tensor of the model, or what stands in for it. */
  of<T extends Tensor | null>(tensor: T): T {
    return (tensor && (this.#replaced.get(tensor) as T)) ?? tensor
  }

  /** A layer of the model; run again for backward, it has the same random streams. */
  layer(x: Tensor, body: (x: Tensor) => Tensor): Tensor {
    if (!this.#checkpointing) return body(x)
    const stream = this.#stream
    return checkpoint(x, (input) => {
      this.#stream = stream
      return body(input)
    })
  }

  /** The random stream of the next dropout: the n-th call of a pass always has stream n. */
  nextDropout(p: number): { p: number; rng: { state: Tensor; stream: number } } | null {
    const stream = this.#stream++
    return this.#rngState && p > 0 ? { p, rng: { state: this.#rngState, stream } } : null
  }

  dropout(x: Tensor, p: number): Tensor {
    const drop = this.nextDropout(p)
    return drop ? dropout(x, drop.p, drop.rng) : x
  }
}
