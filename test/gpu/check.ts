import type { Device } from '../../src/gpu'
import { elementwise, Tensor } from '../../src/graph'
import { crossEntropy, dropout, gelu, linear } from '../../src/ops'
import { AdamW } from '../../src/train/adamw'
import { assert } from '../harness'

/** Fails unless both hold the same bits. */
export function sameBits(actual: Float32Array, expected: Float32Array, what: string): void {
  assert.is(actual.length, expected.length, `${what}: length`)
  const [a, b] = [actual, expected].map((x) => new Uint32Array(x.buffer, x.byteOffset, x.length))
  const at = a.findIndex((word, i) => word !== b[i])
  assert.is(at, -1, `${what}: differs first at ${at}: ${actual[at]} and ${expected[at]}`)
}

const makers = ['createBuffer', 'createBindGroup', 'createComputePipelineAsync', 'createShaderModule', 'createBindGroupLayout'] as const

/** Counts what a device is asked to make from now on. */
export function countMade(device: Device): Record<(typeof makers)[number], number> {
  const made = Object.fromEntries(makers.map((name) => [name, 0])) as Record<(typeof makers)[number], number>
  const gpu = device.gpu as unknown as Record<string, (...args: unknown[]) => unknown>
  for (const name of makers) {
    const original = gpu[name].bind(device.gpu)
    gpu[name] = (...args) => {
      made[name]++
      return original(...args)
    }
  }
  return made
}

// No multiples of 4: one matmul kernel serves all, which is quicker to compile.
const [rows, inputs, hidden, classes] = [16, 13, 23, 5]
const shapes = [[hidden, inputs], [hidden], [classes, hidden], [classes]]

/** A small classifier with dropout and its AdamW: what a training step is made of. */
export class TinyTraining {
  readonly x: Tensor
  readonly labels: Tensor
  readonly rng: Tensor
  readonly values: Tensor
  readonly optimizer: AdamW
  readonly #gradients: Tensor
  readonly #leaves: Tensor[]

  constructor(
    readonly device: Device,
    start: Float32Array,
    readonly batch = rows,
  ) {
    this.values = Tensor.from(device, start)
    this.#gradients = Tensor.from(device, new Float32Array(start.length))
    this.#leaves = shapes.map((shape, i) => this.values.view(shape, i * 512).requireGrad())
    this.x = Tensor.from(device, new Float32Array(batch * inputs), [batch, inputs])
    this.labels = Tensor.from(device, new Int32Array(batch), [batch], 'i32')
    this.rng = Tensor.from(device, [7, 0, 0, 0], [4], 'u32')
    this.optimizer = new AdamW(device, [{ values: this.values, gradients: this.#gradients, start: 0, count: start.length }])
  }

  static readonly size = shapes.length * 512

  /** Inputs, learning rate and dropout seed of step `t`, from 1. */
  set(t: number, x: Float32Array, labels: Int32Array): void {
    this.x.write(x)
    this.labels.write(labels)
    this.rng.write([7, 0, t, 0])
    this.optimizer.set(0.01 / t, t)
  }

  /** The dispatches of one step; returns the loss. */
  run(): Tensor {
    const [w1, b1, w2, b2] = this.#leaves
    const h = dropout(gelu(linear(this.x, w1, b1)), 0.1, { state: this.rng, stream: 0 })
    const loss = crossEntropy(linear(h, w2, b2), this.labels)
    loss.backward()
    this.#leaves.forEach((leaf, i) => {
      elementwise('gather', 'copy', this.#gradients.view(leaf.shape, i * 512), [leaf.grad as Tensor])
      leaf.grad = null
    })
    this.optimizer.record()
    return loss
  }

  batchOf(random: { uniform: (n: number, a: number, b: number) => Float32Array; int: (a: number, b: number) => number }) {
    const x = random.uniform(this.batch * inputs, -1, 1)
    return { x, labels: Int32Array.from({ length: this.batch }, () => random.int(0, classes - 1)) }
  }
}
