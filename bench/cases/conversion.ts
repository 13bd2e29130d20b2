import { type Case, distance, type WorkOf } from '../case'
import { numbers } from '../random'

type Conversion = WorkOf<'conversion'>

/**
 * CondLoRA's conversion of one kind of module: weights [layers, n, n], Θa and Θb [r, n]; forward A = Θa·Wᵀ and B = W·Θbᵀ per
 * layer; backward dΘa = Σ dA·W and dΘb = Σ dBᵀ·W over the layers, from dA [layers, r, n] and dB [layers, n, r].
 */
export function conversionInputs({ layers, n, r }: Conversion) {
  return {
    weights: numbers('conversion weights', layers * n * n, 1 / Math.sqrt(n)),
    thetaA: numbers('theta a', r * n),
    thetaB: numbers('theta b', r * n),
    dA: numbers('dA', layers * r * n),
    dB: numbers('dB', layers * n * r),
  }
}

/** Forward gives [A, B] of all layers, backward [dΘa, dΘb]. */
function reference(work: Conversion): Float64Array[] {
  const { layers, n, r, backward } = work
  const { weights, thetaA, thetaB, dA, dB } = conversionInputs(work)
  const first = new Float64Array(backward ? r * n : layers * r * n)
  const second = new Float64Array(first.length)
  for (let l = 0; l < layers; l++)
    for (let o = 0; o < n; o++) {
      const row = weights.subarray((l * n + o) * n, (l * n + o + 1) * n)
      for (let j = 0; j < r; j++) {
        const [atA, atB] = [(l * r + j) * n + o, (l * n + o) * r + j]
        if (backward)
          for (let i = 0; i < n; i++) {
            first[j * n + i] += dA[atA] * row[i]
            second[j * n + i] += dB[atB] * row[i]
          }
        else
          for (let i = 0; i < n; i++) {
            first[atA] += thetaA[j * n + i] * row[i]
            second[atB] += thetaB[j * n + i] * row[i]
          }
      }
    }
  return [first, second]
}

function conversion(layers: number, n: number, r: number, backward: boolean): Case<Conversion> {
  const work: Conversion = { kind: 'conversion', layers, n, r, backward }
  const flops = 4 * layers * r * n * n
  return {
    group: 'conversion',
    name: `${backward ? 'backward' : 'forward'} ${layers}×${n}² r ${r}`,
    unit: 'GFLOP/s',
    better: 'higher',
    work,
    amount: flops / 1e9,
    flops,
    error: (got) => Math.max(...reference(work).map((wanted, i) => distance(got[i], wanted))),
    limit: 1e-4,
  }
}

export const conversions = [conversion(12, 768, 8, false), conversion(12, 768, 8, true)]
