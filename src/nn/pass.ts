import type { Tensor } from '../graph'
import { dropout } from '../ops/dropout'
import type { Linear } from './linear'

/** What changes a linear layer's output without touching its weight: LoRA and its relatives. */
export interface LinearAdapter {
  forward(layer: Linear, x: Tensor, pass: Pass): Tensor
}

/** Stands in for a layer's own weight and bias: PEFT's modules_to_save. */
export interface Replacement {
  weight: Tensor
  bias: Tensor | null
}

export interface PassOptions {
  /** Dropout is on only with this. u32[4] on the GPU: seed, seed, step, 0; rewritten before each replay. */
  rngState?: Tensor | null
  /** By module path, e.g. `roberta.encoder.layer.0.attention.self.query`. */
  adapters?: ReadonlyMap<string, LinearAdapter>
  replaced?: ReadonlyMap<string, Replacement>
}

/** One run of a model's forward: the model itself holds no mode and no adapter, so that one base serves many. */
export class Pass {
  readonly adapters: ReadonlyMap<string, LinearAdapter>
  readonly replaced: ReadonlyMap<string, Replacement>
  readonly #rngState: Tensor | null
  #stream = 0

  constructor(options: PassOptions = {}) {
    this.adapters = options.adapters ?? new Map()
    this.replaced = options.replaced ?? new Map()
    this.#rngState = options.rngState ?? null
  }

  get training(): boolean {
    return this.#rngState !== null
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
