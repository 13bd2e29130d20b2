import type { Device, Storage } from '../gpu'
import { Tensor } from '../graph'

/** A tensor to be trained: its checkpoint name, its shape, and how. */
export interface ParameterSpec {
  name: string
  shape: readonly number[]
  /** Start values, row-major. */
  init: () => Float32Array
  /** Weight decay spares it: biases and norms. */
  noDecay?: boolean
  /** Factor on the learning rate. Default 1. */
  lrScale?: number
  /** Saved along, not trained. */
  frozen?: boolean
}

/** Tensors side by side that are trained alike: elements [start, start + count). */
export interface ParameterRange {
  start: number
  count: number
  noDecay: boolean
  lrScale: number
}

const elements = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1)

const align = (elements: number) => Math.ceil(elements / 64) * 64

/**
 * Trained tensors side by side in one buffer, their gradients in another of the same layout, so that clipping and the
 * optimizer take few dispatches however many tensors there are: those with weight decay, those without, last what is frozen.
 */
export class FlatParameters {
  readonly byName = new Map<string, Tensor>()
  readonly values: Tensor
  readonly gradients: Tensor
  /** All that is trained. Gaps between tensors are zero and stay zero. */
  readonly ranges: ParameterRange[] = []
  readonly places = new Map<string, number>()
  readonly #frozen = new Set<string>()
  /** Trained numbers, gaps not counted. */
  readonly count: number

  constructor(
    readonly device: Device,
    specs: ParameterSpec[],
  ) {
    const rank = ({ frozen, noDecay }: ParameterSpec) => (frozen ? 2 : noDecay ? 1 : 0)
    const ordered = [...specs].sort((a, b) => rank(a) - rank(b) || (a.lrScale ?? 1) - (b.lrScale ?? 1))
    let size = 0
    for (const { name, shape, frozen, noDecay = false, lrScale = 1 } of ordered) {
      if (this.places.has(name)) throw new Error(`parameter ${name}: named twice`)
      this.places.set(name, size)
      const count = align(elements(shape))
      const last = this.ranges.at(-1)
      if (frozen) this.#frozen.add(name)
      else if (last?.noDecay === noDecay && last.lrScale === lrScale) last.count += count
      else this.ranges.push({ start: size, count, noDecay, lrScale })
      size += count
    }
    const trained = this.ranges.reduce((n, { count }) => n + count, 0)
    const start = new Float32Array(Math.max(64, size))
    for (const { name, init, shape } of ordered) {
      const values = init()
      if (values.length !== elements(shape)) throw new TypeError(`parameter ${name}: [${shape}] and ${values.length} start values`)
      start.set(values, this.places.get(name))
    }
    this.count = specs.reduce((n, s) => n + (s.frozen ? 0 : elements(s.shape)), 0)
    this.values = Tensor.from(device, start, [start.length])
    this.gradients = Tensor.from(device, new Float32Array(Math.max(64, trained)), [Math.max(64, trained)])
    for (const { name, shape } of specs)
      this.byName.set(name, this.values.view(shape, this.places.get(name)).requireGrad(!this.#frozen.has(name)))
  }

  get(name: string): Tensor {
    const tensor = this.byName.get(name)
    if (!tensor) throw new Error(`parameter ${name} does not exist; there are ${[...this.byName.keys()].join(', ')}`)
    return tensor
  }

  /** Gives the memory back. */
  dispose(): void {
    this.values.dispose()
    this.gradients.dispose()
  }

  /** Every trained tensor by name: those of `byName` that are not frozen. */
  trained(): [name: string, tensor: Tensor][] {
    return [...this.byName].filter(([name]) => !this.#frozen.has(name))
  }

  /** Every trained tensor with its place. */
  leaves(): [leaf: Tensor, offset: number][] {
    return this.trained().map(([name, t]) => [t, this.places.get(name) as number])
  }

  /** Reads every tensor back with one copy. */
  async read(): Promise<Map<string, { shape: readonly number[]; data: Float32Array }>> {
    const all = await this.values.data()
    return new Map(
      [...this.byName].map(([name, t]) => {
        const at = this.places.get(name) ?? 0
        return [name, { shape: t.shape, data: all.slice(at, at + t.size) }]
      }),
    )
  }
}

/**
 * Moves what `backward()` left in each leaf's `.grad` to its place in `flat` by `put`. In a recording gradients that are to
 * be written (`fresh`), not added, are simply made there where that is possible.
 */
export function gatherGradients(
  leaves: Iterable<[leaf: Tensor, offset: number]>,
  flat: Tensor,
  put: (to: Tensor, from: Tensor) => void,
  fresh = true,
): void {
  const { recording } = flat.device
  const found = new Map<Storage, { to: Tensor; from: Tensor }[]>()
  for (const [leaf, at] of leaves) {
    const { grad: from } = leaf
    leaf.grad = null
    if (!from) continue
    const together = found.get(from.storage) ?? []
    found.set(from.storage, [...together, { to: flat.view(leaf.shape, at), from }])
  }
  for (const [storage, all] of found) {
    // Several that were made as one lie as their places do.
    const [shift, ...others] = all.map(({ to, from }) => to.offset - from.offset)
    const size = all.reduce((sum, { from }) => sum + from.size, 0)
    if (fresh && size * 4 === storage.size && others.every((s) => s === shift) && recording?.canPlace(storage))
      recording.place(storage, flat.storage, shift * 4)
    else for (const { to, from } of all) put(to, from)
  }
}
