import { type Binding, type Device, GpuError, type Storage } from '../gpu'
import { fromHalf, toHalf } from '../io/half'
import { elementwise } from './accumulate'
import { backward, tape } from './tape'

/** f16: half floats, for frozen weights and activations on devices with `shader-f16`; gradients are f32. */
export type DType = FloatDType | 'u32' | 'i32'
/** Of weights and activations. */
export type FloatDType = 'f32' | 'f16'

/** Bytes of `count` numbers, a whole number of words. */
export const bytesOf = (count: number, dtype: DType = 'f32') => (dtype === 'f16' ? 4 * Math.ceil(count / 2) : 4 * count)

/** What an op leaves on the tape: its inputs, and the rule that turns the gradient of its output into theirs. */
export interface Node {
  op: string
  inputs: Tensor[]
  /**
   * `needs[i]` is false where nobody asks for input i's gradient; return null there. `into(i)` is the sum of what reached
   * input i before, where the rule may add to it in place, which saves a pass: then it returns that very tensor. Else null.
   * `spent`: the rule reads gradOutput no more, so that the sum may lie in its memory.
   */
  backward: (gradOutput: Tensor, needs: boolean[], into: (i: number, spent?: boolean) => Tensor | null) => (Tensor | null)[]
}

/**
 * A dense row-major array on the GPU: a shape, a dtype and a place in a storage.
 * Nobody has to free one: memory comes back when the tensor is garbage; `dispose()` and `using` do it at once.
 */
export class Tensor {
  /** Gradient of the last `backward()`, for leaves with `requiresGrad`. Contributions of several calls add up. */
  grad: Tensor | null = null
  node: Node | null = null
  requiresGrad = false
  readonly size: number
  /** Bytes of one element. */
  readonly width: 2 | 4

  constructor(
    readonly device: Device,
    readonly storage: Storage,
    readonly shape: readonly number[],
    readonly dtype: DType = 'f32',
    /** First element's place in the storage, in elements. */
    readonly offset = 0,
  ) {
    this.size = sizeOf(shape)
    this.width = dtype === 'f16' ? 2 : 4
  }

  /** New tensor with uninitialised memory, e.g. for the output of `op`. */
  static empty(device: Device, shape: readonly number[], op: string, dtype: DType = 'f32'): Tensor {
    checkShape(shape, op)
    return new Tensor(device, device.allocate(bytesOf(sizeOf(shape), dtype), op), shape, dtype)
  }

  /** Uploads `data` (length = product of `shape`). Inside a recording the tensor is pinned, so that replays keep it. */
  static from(device: Device, data: ArrayLike<number>, shape: readonly number[] = [data.length], dtype: DType = 'f32'): Tensor {
    checkShape(shape, 'tensor')
    const size = sizeOf(shape)
    if (size !== data.length) throw new TypeError(`tensor: shape [${shape}] holds ${size} elements, got ${data.length}`)
    const tensor = new Tensor(device, device.allocatePinned(bytesOf(size, dtype), 'tensor'), shape, dtype)
    tensor.write(data)
    return tensor
  }

  /** Marks a leaf as trained. Returns itself. */
  requireGrad(on = true): this {
    this.requiresGrad = on
    return this
  }

  /** Overwrites the contents, in order with all other work. */
  write(data: ArrayLike<number>): void {
    if (data.length !== this.size) throw new TypeError(`write: tensor [${this.shape}] holds ${this.size} elements, got ${data.length}`)
    this.device.write(this.storage, this.offset * this.width, toTyped(data, this.dtype))
  }

  /** The contents, read back when all work before has run. */
  async data(): Promise<Float32Array<ArrayBuffer>> {
    const bytes = await this.bytes()
    if (this.dtype === 'f32') return new Float32Array(bytes)
    return this.dtype === 'f16'
      ? fromHalf(new Uint16Array(bytes))
      : Float32Array.from(this.dtype === 'i32' ? new Int32Array(bytes) : new Uint32Array(bytes))
  }

  /** The contents of a u32 or i32 tensor. */
  async integers(): Promise<Int32Array<ArrayBuffer>> {
    return new Int32Array(await this.bytes())
  }

  /** The single element of a scalar. */
  async item(): Promise<number> {
    if (this.size !== 1) throw new TypeError(`item: wanted one element, got shape [${this.shape}]`)
    return (await this.data())[0]
  }

  /** Runs the tape back from this tensor. `seed` defaults to ones and only scalars may leave it out. */
  backward(seed?: Tensor): void {
    backward(this, seed)
  }

  /**
   * The same memory under another shape (`offset` in elements from this tensor's first).
   * Backward: dx = dy in x's shape; where the view is a part, 0 elsewhere.
   */
  view(shape: readonly number[], offset = 0): Tensor {
    checkShape(shape, 'view')
    const size = sizeOf(shape)
    if (!(offset >= 0 && offset + size <= this.size)) throw new TypeError(`view: [${shape}] at ${offset} does not fit into [${this.shape}]`)
    const view = new Tensor(this.device, this.storage, shape, this.dtype, this.offset + offset)
    return tape('view', [this], view, (dy) => [size === this.size ? dy.view(this.shape) : padded(dy, this.shape, offset)])
  }

  /** `count` elements from `start` as a binding. The start must lie at the device's storage alignment. */
  bind(start = 0, count = this.size): Binding {
    const offset = (this.offset + start) * this.width
    if (offset % this.device.limits.minStorageBufferOffsetAlignment)
      throw new GpuError(`the tensor [${this.shape}] made by ${this.storage.madeBy} cannot be bound at byte ${offset}: not aligned`)
    return { storage: this.storage, offset, size: bytesOf(count, this.dtype) }
  }

  /** Like `bind`, from the aligned place before `start`: the kernel skips `skip` elements. */
  bindLoose(start: number, count: number): { binding: Binding; skip: number } {
    const first = this.offset + start
    const skip = first % (this.device.limits.minStorageBufferOffsetAlignment / this.width)
    return { binding: { storage: this.storage, offset: (first - skip) * this.width, size: bytesOf(count + skip, this.dtype) }, skip }
  }

  /** Gives the memory back now. Never needed. */
  dispose(): void {
    this.device.free(this.storage)
  }

  /** For `using`: frees the tensor's memory. */
  [Symbol.dispose](): void {
    this.dispose()
  }

  private async bytes(): Promise<ArrayBuffer> {
    const bytes = Math.max(4, bytesOf(this.size, this.dtype))
    return this.device.read(this.storage, this.offset * this.width, bytes).then((b) => b.slice(0, this.size * this.width))
  }
}

/** Zeros in `shape`, with `part` from element `offset` on. */
function padded(part: Tensor, shape: readonly number[], offset: number): Tensor {
  const out = elementwise('view.backward', 'fill', Tensor.empty(part.device, shape, 'view.backward'), [], 0)
  elementwise('view.backward', 'copy', out.view(part.shape, offset), [part])
  return out
}

function toTyped(data: ArrayLike<number>, dtype: DType): ArrayBufferView<ArrayBuffer> {
  const floats = () => (data instanceof Float32Array ? (data as Float32Array<ArrayBuffer>) : Float32Array.from(data))
  if (dtype === 'f32') return floats()
  if (dtype === 'i32') return Int32Array.from(data)
  if (dtype === 'u32') return Uint32Array.from(data)
  // A write is of whole words.
  const halves = new Uint16Array(2 * Math.ceil(data.length / 2))
  halves.set(toHalf(floats()))
  return halves
}

const sizeOf = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1)

function checkShape(shape: readonly number[], op: string): void {
  if (!shape.every((d) => Number.isSafeInteger(d) && d >= 0)) throw new TypeError(`${op}: a shape is made of whole numbers, got [${shape}]`)
}
