import shader from '../../shaders/adamw.wgsl'
import { type Device, f32 } from '../gpu'
import { rowRanges, Tensor } from '../graph'

/** Numbers trained alike: a flat range of values and the gradients that belong to it. */
export interface ParameterGroup {
  values: Tensor
  gradients: Tensor
  /** Elements [start, start + count) of both. */
  start: number
  count: number
  /** Default 0. */
  weightDecay?: number
  /** Factor on the learning rate (LoRA+). Default 1. */
  lrScale?: number
}

export interface AdamWOptions {
  beta1?: number
  beta2?: number
  eps?: number
  /** Clip the gradient's global norm to this; 0: never. Default 1. */
  maxGradNorm?: number
  /** After a refused step refuse all others too, so that what it saw can be looked at. Default false. */
  hold?: boolean
  /** Gradients carry the factor in `scale`, which follows what they do. Default false. */
  scaled?: boolean
  /** Good steps after which that factor doubles. Default 2000. */
  growthInterval?: number
}

export interface StepStatus {
  /** Global norm before clipping. */
  gradNorm: number
  /** Number of the first step whose norm or loss was not finite and that therefore changed nothing; 0: none. */
  badStep: number
  /** Steps whose gradients were too large at their scale, and that therefore changed nothing. */
  leftOut: number
}

const perGroup = 4096
const scaling = () => import('../../shaders/loss_scale.wgsl')
const firstScale = [65536, 0, 0, 0, 0]

/**
 * torch.optim.AdamW with clip_grad_norm_ before it, on the GPU: two or three dispatches per range. `record` puts the
 * step into the list in progress; `set` gives the learning rate of the next run.
 */
export class AdamW {
  /** First and second moments, in the order of the groups. */
  readonly moments: { m: Tensor; v: Tensor }[]
  /** The factor in the gradients, and what is to be known for its next change (`loss_scale.wgsl`). */
  readonly scale: Tensor | null
  readonly #hyper: Tensor
  readonly #status: Tensor
  readonly #noLoss: Tensor
  readonly #options: Required<AdamWOptions>

  constructor(
    private readonly device: Device,
    readonly groups: ParameterGroup[],
    options: AdamWOptions = {},
  ) {
    this.#options = { beta1: 0.9, beta2: 0.999, eps: 1e-8, maxGradNorm: 1, hold: false, scaled: false, growthInterval: 2000, ...options }
    const zeros = (n: number) => Tensor.from(device, new Float32Array(n), [n])
    this.moments = groups.map(({ count }) => ({ m: zeros(count), v: zeros(count) }))
    this.scale = this.#options.scaled ? Tensor.from(device, firstScale) : null
    this.#hyper = zeros(4)
    this.#status = zeros(4)
    this.#noLoss = zeros(1)
  }

  /** Learning rate and number (from 1) of the step that runs next. */
  set(lr: number, step: number): void {
    const { beta1, beta2 } = this.#options
    this.#hyper.write([lr, 1 - beta1 ** step, 1 - beta2 ** step, step])
  }

  /** Dispatches one step, which is refused where its gradients or `loss` [1] are not finite. */
  record(loss: Tensor = this.#noLoss): void {
    const { device, groups } = this
    const { beta1, beta2, eps, maxGradNorm, hold, growthInterval } = this.#options
    const ranges = groups.flatMap((group, i) =>
      rowRanges(device, 'adamw', Math.ceil(group.count / 64), 256).map((r) => {
        const start = r.start * 64
        return { group, moments: this.moments[i], start, count: Math.min(r.count * 64, group.count - start) }
      }),
    )
    const partials = Tensor.empty(device, [ranges.reduce((n, r) => n + Math.ceil(r.count / perGroup), 0)], 'adamw.norm')
    let at = 0
    for (const { group, start, count } of ranges) {
      const groupsHere = Math.ceil(count / perGroup)
      device.run({
        op: 'adamw.norm',
        shader,
        constants: { FORM: 0 },
        bind: [partials.bind(), group.gradients.bind(group.start + start, count)],
        words: [count, at],
        groups: groupsHere,
        flops: 2 * count,
      })
      at += groupsHere
    }
    device.run({
      op: 'adamw.clip',
      shader,
      constants: { FORM: 1 },
      bind: [this.#status.bind(), partials.bind(), this.#hyper.bind(), loss.bind()],
      words: [hold ? 1 : 0, partials.size, f32(maxGradNorm)],
      groups: 1,
    })
    if (this.scale)
      device.run({
        op: 'adamw.scale',
        shader: scaling,
        bind: [this.scale, this.#status, this.#hyper, loss].map((t) => t.bind()),
        words: [maxGradNorm, 1 - beta1, 1 - beta2, growthInterval].map(f32),
        groups: 1,
      })
    for (const { group, moments, start, count } of ranges)
      device.run({
        op: 'adamw',
        shader,
        constants: { FORM: 2 },
        bind: [
          group.values.bind(group.start + start, count),
          moments.m.bind(start, count),
          moments.v.bind(start, count),
          group.gradients.bind(group.start + start, count),
          this.#hyper.bind(),
          this.#status.bind(),
        ],
        words: [
          count,
          0,
          f32(0),
          f32(beta1),
          f32(beta2),
          f32(eps),
          f32(group.weightDecay ?? 0),
          f32(group.lrScale ?? 1),
          f32(1 - beta1),
          f32(1 - beta2),
        ],
        groups: Math.ceil(count / 256),
        flops: 12 * count,
      })
  }

  /** Norm of the last step, and whether any step so far was refused. */
  async status(): Promise<StepStatus> {
    const [[gradNorm, , finite, badStep], scale] = await Promise.all([this.#status.data(), this.scale?.data()])
    return { gradNorm: finite ? gradNorm : Number.POSITIVE_INFINITY, badStep, leftOut: scale?.[2] ?? 0 }
  }

  /** As it was made: moments zero, no step refused. */
  reset(): void {
    for (const { m, v } of this.moments) for (const t of [m, v]) t.write(new Float32Array(t.size))
    this.#status.write([0, 0, 0, 0])
    this.scale?.write(firstScale)
  }

  dispose(): void {
    this.scale?.dispose()
    for (const t of [this.#hyper, this.#status, this.#noLoss, ...this.moments.flatMap(({ m, v }) => [m, v])]) t.dispose()
  }

  /** First moments of all groups one after the other, then second moments. */
  async read(): Promise<[Float32Array, Float32Array]> {
    const joined = async (key: 'm' | 'v') => {
      const parts = await Promise.all(this.moments.map((each) => each[key].data()))
      const all = new Float32Array(parts.reduce((n, p) => n + p.length, 0))
      let at = 0
      for (const part of parts) {
        all.set(part, at)
        at += part.length
      }
      return all
    }
    return [await joined('m'), await joined('v')]
  }

  /** Puts back what `read` gave. */
  write([m, v]: [Float32Array, Float32Array]): void {
    const total = this.groups.reduce((n, g) => n + g.count, 0)
    if (m.length !== total || v.length !== total)
      throw new Error(`optimizer state: wanted ${total} numbers, got ${m.length} and ${v.length}`)
    let at = 0
    for (const moments of this.moments) {
      const end = at + moments.m.size
      moments.m.write(m.subarray(at, end))
      moments.v.write(v.subarray(at, end))
      at = end
    }
  }
}
