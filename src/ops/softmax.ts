import { complain, f32 } from '../gpu'
import { rowRanges, Tensor, tape, wantF32 } from '../graph'
import { rowCells, rowGroups } from './row_groups'

// Attention takes it only where it makes its matrix: most pages never load it.
const shader = () => import('../../shaders/softmax.wgsl')

export interface SoftmaxOptions {
  /** i32 [masks, n], 1 = keep. */
  mask?: Tensor | null
  /** Consecutive rows of x that share one mask row. Default: rows / masks. */
  rowsPerMask?: number
  /** Factor on x before the softmax. Default 1. */
  scale?: number
}

/**
 * P = softmax(scale·x) over the last dimension, x [..., n], f32. Masked places get exactly 0; a fully masked row is 0.
 * Backward: dx = scale · P∘(dP − Σ P∘dP).
 */
export function softmax(x: Tensor, { mask = null, rowsPerMask, scale = 1 }: SoftmaxOptions = {}): Tensor {
  const n = x.shape.at(-1) ?? 0
  const rows = x.size / n
  if (mask && mask.shape.at(-1) !== n) complain('softmax', 'mask', `[.., ${n}]`, `[${mask.shape}]`)
  wantF32('softmax', { x })
  if (mask && /^f/.test(mask.dtype)) complain('softmax', 'mask', 'i32', mask.dtype)
  const perMask = rowsPerMask ?? (mask ? rows / (mask.size / n) : 1)
  if (mask && (perMask * (mask.size / n) !== rows || !Number.isInteger(perMask)))
    complain('softmax', `rowsPerMask times the ${mask.size / n} rows of the mask`, `${rows} rows of x`, `rowsPerMask ${perMask}`)
  const p = softmaxForward('softmax', x, mask, perMask, scale)
  return tape('softmax', [x], p, (dp) => [softmaxBackward('softmax.backward', p, dp, scale)])
}

/** The forward dispatch, without the tape. */
export function softmaxForward(op: string, x: Tensor, mask: Tensor | null, rowsPerMask: number, scale: number): Tensor {
  return run(op, [x], scale, mask, rowsPerMask)
}

/** scale · P∘(dP − Σ P∘dP), without the tape. */
export function softmaxBackward(op: string, p: Tensor, dp: Tensor, scale: number): Tensor {
  return run(op, [p, dp], scale, null, 1)
}

function run(op: string, inputs: Tensor[], scale: number, mask: Tensor | null, rowsPerMask: number): Tensor {
  const [x] = inputs
  const { device } = x
  const n = x.shape.at(-1) as number
  const out = Tensor.empty(device, x.shape, op)
  const tile = rowGroups(device)
  // A mask that begins inside a vec4 keeps the row in single numbers.
  const { constants, cells, width } = rowCells(n, mask ? mask.offset : 0)
  const BACKWARD = inputs.length > 1
  const BLOCKS = device.software && !BACKWARD && n % 16 === 0 && (mask?.offset ?? 0) % 16 === 0
  for (const { start, count } of rowRanges(device, op, x.size / n, n * 4)) {
    // Only the mask rows of this range are bound.
    const firstMask = Math.floor(start / rowsPerMask)
    const masks = mask ? mask.bindLoose(firstMask * n, (Math.floor((start + count - 1) / rowsPerMask) - firstMask + 1) * n) : null
    device.run({
      op,
      shader,
      constants: {
        ...tile,
        ...constants,
        BLOCKS,
        MaskCell: width === 4 ? 'vec4i' : 'i32',
        MASK: Boolean(mask),
        BACKWARD,
      },
      bind: [...[out, ...inputs].map((t) => t.bind(start * n, count * n)), ...(masks ? [masks.binding] : [])],
      words: [count, cells, f32(scale), rowsPerMask, start - firstMask * rowsPerMask, (masks?.skip ?? 0) / width],
      groups: Math.ceil(count / tile.ROWS),
      flops: 8 * count * n,
    })
  }
  return out
}
