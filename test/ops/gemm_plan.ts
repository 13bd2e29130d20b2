// Products with known results, as `gemm` takes them.
import type { Device } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { type Gemm, gemm, type Matrix } from '../../src/ops/gemm'
import { type Chooser, choosing, type Variant } from '../../src/ops/gemm_kernels'
import { variants } from '../../src/ops/gemm_variants'
import { assert } from '../harness'
import { dispatches, type Value } from './check'
import { dtypeOf, rounded } from './half'

export type Plan = Omit<Gemm, 'op' | 'a' | 'b' | 'c' | 'bias'> & {
  name: string
  a: Omit<Matrix, 'tensor'>
  b: Omit<Matrix, 'tensor'>
  c: Omit<Matrix, 'tensor'>
  bias?: boolean
  /** Which of A, B and C are half floats, e.g. `AB`. */
  half?: string
}

/** Index of element (row, column) of batch (b0, b1), as the docstring of Matrix says. */
function place(
  { offset = 0, rowStride, transposed, stride0 = 0, stride1 = 0 }: Omit<Matrix, 'tensor'>,
  b0: number,
  b1: number,
  i: number,
  j: number,
) {
  return offset + b0 * stride0 + b1 * stride1 + (transposed ? j * rowStride + i : i * rowStride + j)
}

function reference(p: Plan, a: Value, b: Value, c: Value, bias: Value | null): Float64Array {
  const { m, n, k, batch0 = 1, batch1 = 1, alpha = 1, accumulate = false } = p
  const out = Float64Array.from(c.data)
  for (let b0 = 0; b0 < batch0; b0++)
    for (let b1 = 0; b1 < batch1; b1++)
      for (let i = 0; i < m; i++)
        for (let j = 0; j < n; j++) {
          let sum = 0
          for (let q = 0; q < k; q++) sum += a.data[place(p.a, b0, b1, i, q)] * b.data[place(p.b, b0, b1, q, j)]
          const at = place(p.c, b0, b1, i, j)
          out[at] = Math.fround(alpha) * sum + (bias ? bias.data[b0 * n + j] : 0) + (accumulate ? out[at] : 0)
        }
  return out
}

const last = (p: Plan, x: Omit<Matrix, 'tensor'>, rows: number, columns: number) =>
  place(x, (p.batch0 ?? 1) - 1, (p.batch1 ?? 1) - 1, rows - 1, columns - 1) + 1

/** Runs the product into a C that holds numbers already: those outside the product must stay. */
export async function check(device: Device, p: Plan, value: (shape: number[]) => Value): Promise<number> {
  const { name, a, b, c, bias: withBias, half = '', ...sizes } = p
  const dtypes = ['A', 'B', 'C'].map((letter) => dtypeOf(half.includes(letter)))
  const inputs = [value([last(p, a, p.m, p.k)]), value([last(p, b, p.k, p.n)]), value([last(p, c, p.m, p.n)])].map((each, i) =>
    rounded(each, dtypes[i]),
  )
  const bias = withBias ? value([(p.batch0 ?? 1) * p.n]) : null
  const [ta, tb, tc] = inputs.map(({ data, shape }, i) => Tensor.from(device, data, shape, dtypes[i]))
  const made = dispatches(device, () =>
    gemm({
      op: 'gemm',
      ...sizes,
      a: { ...a, tensor: ta },
      b: { ...b, tensor: tb },
      c: { ...c, tensor: tc },
      bias: bias && Tensor.from(device, bias.data),
    }),
  )
  assert.close(await tc.data(), reference(p, inputs[0], inputs[1], inputs[2], bias), dtypes[2] === 'f16' ? 2e-3 : 1e-5, name)
  return made.length
}

export const sides = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
]

/** One product of dense matrices, either side transposed in memory. */
export function dense(m: number, n: number, k: number, ta: boolean, tb: boolean, more: Partial<Plan> = {}): Plan {
  const name = `${ta ? 'T' : 'N'}${tb ? 'T' : 'N'} m ${m} n ${n} k ${k} ${JSON.stringify(more)}`
  return {
    name,
    m,
    n,
    k,
    a: { rowStride: ta ? m : k, transposed: ta },
    b: { rowStride: tb ? k : n, transposed: tb },
    c: { rowStride: n },
    ...more,
  }
}

/** The plan's product by each of its variants, or of those that `among` takes; gives their names. */
export async function byEach(
  device: Device,
  plan: Plan,
  value: (shape: number[]) => Value,
  among: (variant: Variant) => boolean = () => true,
): Promise<Variant[]> {
  let all: Variant[] = []
  const list: Chooser = (job) => {
    all = variants(job).filter(among)
    return undefined
  }
  // A product is dispatched before `check` first waits.
  await choosing(list, () => check(device, plan, value))
  for (const variant of all)
    await choosing(
      () => variant,
      () => check(device, { ...plan, name: `${plan.name}, ${variant}` }, value),
    )
  return all
}
