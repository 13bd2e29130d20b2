export interface Tokens {
  inputIds: number[][]
  attentionMask: number[][]
}

export interface Reference extends Tokens {
  sentences: string[]
  batches: (Tokens & { labels: number[] })[]
  lossAndGradNorm: [number, number][]
}

export type Tensors = Map<string, Float32Array>

let failed = false

export const allOk = () => !failed

/** Prints one check's result and remembers it. */
export function report(ok: boolean, what: string): void {
  failed ||= !ok
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${what}`)
}

/** Checks how far `got` is from `wanted`: the norm of the difference over the norm. */
export function compare(what: string, got: ArrayLike<number>, wanted: ArrayLike<number>, most: number): void {
  let error = 0
  let size = 0
  for (let i = 0; i < wanted.length; i++) {
    error += (got[i] - wanted[i]) ** 2
    size += wanted[i] ** 2
  }
  const distance = got.length === wanted.length ? Math.sqrt(error / size) : Number.NaN
  report(distance <= most, `${what.padEnd(52)} ${distance.toExponential(1)} (at most ${most})`)
}
