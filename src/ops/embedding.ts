import shader from '../../shaders/embedding.wgsl'
import { complain, type Device } from '../gpu'
import { type DType, elementwise, halves, rowRanges, Tensor, tape } from '../graph'

/** Where each token stands in a batch, made on the CPU with the batch: what the table's gradient sums over. */
export interface TokenRuns {
  /** i32 [n, 3]: {token, start, end} into `order`; padded with token −1, so that its size depends on n alone. */
  runs: Tensor
  /** i32 [n]: positions sorted by token, ascending within a token. */
  order: Tensor
}

/** A table [v, h] f32 or f16 and what is taken from it: ids [...] i32 that lie in the table, which only the caller can check. */
export interface Lookup {
  table: Tensor
  ids: Tensor
  /** A trained table needs them (see `tokenRuns`). */
  runs?: TokenRuns
}

/** y[i] = table[ids[i]], y [..., h]. Backward: dtable[t] = Σ dy[i] over the positions of t, in order. */
export function embedding(table: Tensor, ids: Tensor, runs?: TokenRuns): Tensor {
  return embeddings([{ table, ids, runs }])
}

/**
 * y[i] = Σ table[ids[i]] over tables, in order: the sum needs no pass of its own. y has the dtype of the first table.
 * Backward: as `embedding`, for each table.
 */
export function embeddings(lookups: Lookup[]): Tensor {
  const [{ table, ids }] = lookups
  const { device } = table
  const h = table.shape.at(-1) ?? 0
  for (const each of lookups) {
    const { shape } = each.table
    if (shape.length !== 2) complain('embedding', 'table', '[v, h]', `[${shape}]`)
    if (shape[1] !== h) complain('embedding', 'table', `[v, ${h}]`, `[${shape}]`)
    if (/^f/.test(each.ids.dtype)) complain('embedding', 'ids', 'i32', each.ids.dtype)
    if (each.ids.size !== ids.size) complain('embedding', 'ids', `[${ids.shape}]`, `[${each.ids.shape}]`)
  }
  const empty = (dtype: DType) => Tensor.empty(device, [...ids.shape, h], 'embedding', dtype)
  const y = empty(table.dtype)
  const last = lookups.length - 1
  // The sum of half floats is rounded once, with the last of them.
  const sum = last && y.dtype === 'f16' ? empty('f32') : y
  lookups.forEach((each, i) => {
    if (i === last && sum !== y) lookUp(y, each, false, sum)
    else lookUp(sum, each, i > 0)
  })
  const tables = lookups.map((each) => each.table)
  return tape('embedding', tables, y, (dy, needs) =>
    lookups.map(({ table, runs }, i) => {
      if (!needs[i]) return null
      if (!runs) throw new Error('embedding: a trained table needs the runs of its batch: embedding(table, ids, runs)')
      return tableGradient(device, table, dy, runs)
    }),
  )
}

/** y = table[ids], y += table[ids], or y = table[ids] + sum. */
function lookUp(y: Tensor, { table, ids }: Lookup, add: boolean, sum?: Tensor): void {
  const { device } = table
  const [v, h] = table.shape
  for (const { start, count } of rowRanges(device, 'embedding', ids.size, h * y.width, h * (sum ?? y).width)) {
    const some = ids.bindLoose(start, count)
    for (const part of rowRanges(device, 'embedding', v, h * table.width))
      device.run({
        op: 'embedding',
        shader,
        constants: { FORM: 0, SUM: Boolean(sum), ...halves({ Y: y, Table: table }) },
        bind: [
          y.bind(start * h, count * h),
          table.bind(part.start * h, part.count * h),
          some.binding,
          ...(sum ? [sum.bind(start * h, count * h)] : []),
        ],
        words: [count, h, part.start, part.count, some.skip, add ? 1 : 0],
        groups: Math.ceil((count * h) / 64),
        bytes: count * ((y.width + table.width) * h + 4), // not the whole table
      })
  }
}

function tableGradient(device: Device, table: Tensor, dy: Tensor, { runs, order }: TokenRuns): Tensor {
  const [v, h] = table.shape
  const out = elementwise('embedding.dtable', 'fill', Tensor.empty(device, table.shape, 'embedding.dtable'), [], 0)
  for (const part of rowRanges(device, 'embedding.dtable', v, h * 4))
    for (const { start, count } of rowRanges(device, 'embedding.dtable', order.size, h * 4))
      device.run({
        op: 'embedding.dtable',
        shader,
        constants: { FORM: 1 },
        bind: [out.bind(part.start * h, part.count * h), dy.bind(start * h, count * h), runs.bind(), order.bind()],
        words: [order.size, h, part.start, part.count, start, count],
        groups: order.size,
        flops: count * h,
        bytes: 4 * count * (2 * h + 4),
      })
  return out
}

/** Sorts the positions of a batch by token: the arrays of `TokenRuns`, [n, 3] and [n]. */
export function tokenRuns(ids: Int32Array): { runs: Int32Array; order: Int32Array } {
  const order = Int32Array.from(ids.keys()).sort((a, b) => ids[a] - ids[b] || a - b)
  const runs = new Int32Array(ids.length * 3).fill(-1)
  let run = -1
  order.forEach((position, i) => {
    if (i === 0 || ids[position] !== ids[order[i - 1]]) runs.set([ids[position], i, i + 1], 3 * ++run)
    else runs[3 * run + 2] = i + 1
  })
  return { runs, order }
}
