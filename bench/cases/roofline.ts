import type { Case, WorkOf } from '../case'

type Roofline = WorkOf<'roofline'>

/** Threads of the multiply-add kernel, and what each of them computes. */
export const multiplyAdd = { threads: 65536, rounds: 512, chains: 8 }

/** What the adapter itself can do: arithmetic in registers alone, and a copy that only streams. */
export function rooflines(software: boolean): Case<Roofline>[] {
  const size = software ? multiplyAdd.threads : 64 * multiplyAdd.threads
  const bytes = software ? 16 << 20 : 128 << 20
  const flops = 2 * size * multiplyAdd.rounds * multiplyAdd.chains
  const common = { group: 'roofline', better: 'higher', limit: 1e-5, ownOnly: true } as const
  return [
    {
      ...common,
      name: 'multiply-add in registers',
      unit: 'GFLOP/s',
      work: { kind: 'roofline', what: 'multiply-add', size },
      amount: flops / 1e9,
      flops,
      error: ([y]) => firstThread(y),
    },
    {
      ...common,
      name: `copy of ${bytes >> 20} MiB`,
      unit: 'GB/s',
      work: { kind: 'roofline', what: 'copy', size: bytes / 4 },
      amount: (2 * bytes) / 1e9,
      flops: 0,
      error: ([x, y]) => (x.every((v, i) => v === y[i]) ? 0 : Number.NaN),
    },
  ]
}

/** Every thread computes the same: chains that start at 0.25·c and go to 0.5 by x ← 0.5·x + 0.25. */
function firstThread(y: Float32Array): number {
  let sum = 0
  for (let c = 0; c < multiplyAdd.chains; c++) {
    let x = 0.25 * c
    for (let i = 0; i < multiplyAdd.rounds; i++) x = 0.5 * x + 0.25
    sum += x
  }
  return y.reduce((most, v) => Math.max(most, Math.abs(v / sum - 1)), 0)
}
