import { f32 } from '../gpu'
import { halves, rowRanges, Tensor, tape } from '../graph'
import { philox4x32 } from './philox'

// Only a training that drops takes it: other pages never load it.
const shader = () => import('../../shaders/dropout.wgsl')

/** Where a dropout's random numbers come from. */
export interface DropoutRng {
  /** u32 [4] on the GPU: seed, seed', step, 0. Replays only rewrite it. */
  state: Tensor
  /** Different for every place in a model that drops. */
  stream: number
}

/**
 * y = keep∘x / (1 − p), f32 or f16, any shape; p in [0, 1) is exact to 1/65536. p = 0 gives x itself.
 * Backward: dx = keep∘dy / (1 − p), the mask drawn again.
 */
export function dropout(x: Tensor, p: number, rng: DropoutRng): Tensor {
  if (!(p >= 0 && p < 1)) throw new RangeError(`dropout: p: wanted a number in [0, 1), got ${p}`)
  if (p === 0) return x
  return tape('dropout', [x], dropoutForward('dropout', x, p, rng), (dy) => [dropoutForward('dropout.backward', dy, p, rng)])
}

/** The dispatch, without the tape. */
export function dropoutForward(op: string, x: Tensor, p: number, { state, stream }: DropoutRng): Tensor {
  const y = Tensor.empty(x.device, x.shape, op, x.dtype)
  const WIDE = x.size % 4 === 0
  const PER_THREAD = x.device.software ? 4 : 1
  for (const { start, count } of rowRanges(x.device, op, Math.ceil(x.size / 8), 8 * x.width)) {
    const elements = Math.min(count * 8, x.size - start * 8)
    x.device.run({
      op,
      shader,
      constants: { WIDE, Cell: WIDE ? 'vec4f' : 'f32', PER_THREAD, ...halves({ X: x }, WIDE ? 4 : 1) },
      bind: [y.bind(start * 8, elements), x.bind(start * 8, elements), state.bind()],
      words: [elements, Math.round(p * 65536), stream, start, f32(1 / (1 - p))],
      groups: Math.ceil(count / (64 * PER_THREAD)),
      flops: 60 * elements,
    })
  }
  return y
}

/**
 * What dropout keeps of [rows, n], a bit an element: u32 [rows, ⌈n / 32⌉], bit j % 32 of word ⌊j / 32⌋. The numbers are those that
 * `dropoutForward` draws for a tensor of that shape; the bits past a row's end are of no use.
 */
export function dropoutBits(op: string, state: Tensor, stream: number, p: number, rows: number, n: number): Tensor {
  const { device } = state
  const perRow = Math.ceil(n / 32)
  const bits = Tensor.empty(device, [rows, perRow], op, 'u32')
  device.run({
    op,
    shader,
    constants: { BITS: true, Cell: 'u32' },
    bind: [bits.bind(), state.bind()],
    words: [bits.size, Math.round(p * 65536), stream, n, perRow],
    groups: Math.ceil(bits.size / 64),
    flops: 60 * rows * n,
  })
  return bits
}

/** The mask that the GPU draws, 1 = kept: for tests and for reproducing a step elsewhere. */
export function keepMask(length: number, p: number, state: readonly number[], stream: number): Uint8Array {
  const threshold = Math.round(p * 65536)
  const mask = new Uint8Array(length)
  for (let block = 0; block * 8 < length; block++) {
    const random = philox4x32([block, stream, state[2], 0], [state[0], state[1]])
    for (let j = 0; j < 8 && block * 8 + j < length; j++)
      mask[block * 8 + j] = ((random[j >> 1] >>> (16 * (j & 1))) & 0xffff) >= threshold ? 1 : 0
  }
  return mask
}
