import shader from '../../shaders/cross_entropy.wgsl'
import { type Binding, complain, f32 } from '../gpu'
import { elementwise, type Range, rowRanges, Tensor, tape, wantF32 } from '../graph'
import { reduceAll } from './sum'

export interface CrossEntropyOptions {
  /** ε: this share of the target goes to all classes alike. Default 0. */
  labelSmoothing?: number
  /** Rows with this label count nothing. Default −100, as in PyTorch. */
  ignoreIndex?: number
  /** Default `mean`: over the rows that count. */
  reduction?: 'mean' | 'sum'
}

/**
 * Softmax cross-entropy: logits z [n, c] f32, labels [n] i32, result a scalar. Labels must lie in 0 … c − 1 or be
 * `ignoreIndex`: only the caller can check that.
 *
 * Backward: dz_j = dy/n·(softmax_j − (1 − ε)[j = t] − ε/c).
 */
export function crossEntropy(logits: Tensor, labels: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { labelSmoothing = 0, ignoreIndex = -100, reduction = 'mean' } = options
  const c = logits.shape.at(-1) ?? 0
  const rows = logits.size / c
  if (labels.size !== rows) complain('crossEntropy', 'labels', `[${rows}]`, `[${labels.shape}]`)
  wantF32('crossEntropy', { logits })
  if (/^f/.test(labels.dtype)) complain('crossEntropy', 'labels', 'i32', labels.dtype)
  const { device } = logits
  const words = (count: number) => [count, c, f32(labelSmoothing), ignoreIndex >>> 0]
  const run = (op: string, form: number, out: Tensor, bind: (r: Range) => Binding[], whole = false) => {
    for (const range of whole ? [{ start: 0, count: rows }] : rowRanges(device, op, rows, c * 4, 4))
      device.run({
        op,
        shader,
        constants: { FORM: form, MEAN: reduction === 'mean' },
        bind: bind(range),
        words: words(range.count),
        groups: whole ? 1 : Math.ceil(range.count / 64),
        flops: 8 * range.count * c,
      })
    return out
  }
  const perRow = Tensor.empty(device, [rows], 'crossEntropy')
  run('crossEntropy', 0, perRow, (r) => [
    perRow.bind(r.start, r.count),
    labels.bind(r.start, r.count),
    logits.bind(r.start * c, r.count * c),
  ])
  const factor = Tensor.empty(device, [1], 'crossEntropy')
  run('crossEntropy.count', 1, factor, () => [factor.bind(), labels.bind()], true)
  const loss = elementwise('crossEntropy', 'mul', Tensor.empty(device, [], 'crossEntropy'), [reduceAll('crossEntropy', perRow, 1), factor])
  return tape('crossEntropy', [logits], loss, (dy) => {
    const dz = Tensor.empty(device, logits.shape, 'crossEntropy.dz')
    return [
      run('crossEntropy.dz', 2, dz, (r) => [
        dz.bind(r.start * c, r.count * c),
        labels.bind(r.start, r.count),
        logits.bind(r.start * c, r.count * c),
        factor.bind(),
        dy.bind(),
      ]),
    ]
  })
}
