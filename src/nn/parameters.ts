import type { Device } from '../gpu'
import { Tensor } from '../graph'

/** A tensor to be trained: its checkpoint name, its shape, and whether weight decay spares it (biases and norms). */
export interface ParameterSpec {
  name: string
  shape: readonly number[]
  /** Start values, row-major. */
  init: () => Float32Array
  noDecay?: boolean
}

const elements = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1)

const align = (elements: number) => Math.ceil(elements / 64) * 64

/**
 * Trained tensors side by side in one buffer, their gradients in another of the same layout, so that clipping and the
 * optimizer take few dispatches however many tensors there are. Those with weight decay come first.
 */
export class FlatParameters {
  readonly byName = new Map<string, Tensor>()
  readonly values: Tensor
  readonly gradients: Tensor
  /** Elements [0, decayed) take weight decay. Gaps between tensors are zero and stay zero. */
  readonly decayed: number
  readonly places = new Map<string, number>()
  /** Trained numbers, gaps not counted. */
  readonly count: number

  constructor(
    readonly device: Device,
    specs: ParameterSpec[],
  ) {
    const ordered = [...specs.filter((s) => !s.noDecay), ...specs.filter((s) => s.noDecay)]
    let size = 0
    let decayed = 0
    for (const { name, noDecay, shape } of ordered) {
      if (this.places.has(name)) throw new Error(`parameter ${name}: named twice`)
      this.places.set(name, size)
      size += align(elements(shape))
      if (!noDecay) decayed = size
    }
    const start = new Float32Array(Math.max(64, size))
    for (const { name, init, shape } of ordered) {
      const values = init()
      if (values.length !== elements(shape)) throw new TypeError(`parameter ${name}: [${shape}] and ${values.length} start values`)
      start.set(values, this.places.get(name))
    }
    this.decayed = decayed
    this.count = specs.reduce((n, s) => n + elements(s.shape), 0)
    this.values = Tensor.from(device, start, [start.length])
    this.gradients = Tensor.from(device, new Float32Array(start.length), [start.length])
    for (const { name, shape } of specs) this.byName.set(name, this.values.view(shape, this.places.get(name)).requireGrad())
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

  /** Every trained tensor with its place. */
  leaves(): [leaf: Tensor, offset: number][] {
    return [...this.byName].map(([name, t]) => [t, this.places.get(name) as number])
  }

  /** Reads every trained tensor back with one copy. */
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
 * Moves what `backward()` left in each leaf's `.grad` to its place in `flat` by `put`. In a recording a gradient that is to
 * be written (`fresh`), not added, is simply made there where that is possible.
 */
export function gatherGradients(
  leaves: Iterable<[leaf: Tensor, offset: number]>,
  flat: Tensor,
  put: (to: Tensor, from: Tensor) => void,
  fresh = true,
): void {
  const { recording } = flat.device
  for (const [leaf, at] of leaves) {
    const { grad } = leaf
    leaf.grad = null
    const place = flat.view(leaf.shape, at)
    if (fresh && grad && grad.offset === 0 && grad.storage.size === grad.size * 4 && recording?.canPlace(grad.storage))
      recording.place(grad.storage, flat.storage, place.offset * 4)
    else if (grad) put(place, grad)
  }
}
