export interface Summary {
  mean: number
  /** Of the sample (n − 1); null for one value. */
  deviation: number | null
}

export function summary(values: readonly number[]): Summary {
  const n = values.length
  const mean = values.reduce((sum, x) => sum + x, 0) / n
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0)
  return { mean, deviation: n < 2 ? null : Math.sqrt(squares / (n - 1)) }
}

export interface PairedTest {
  /** Mean of a − b. */
  difference: number
  /** Student's t with n − 1 degrees of freedom; null where all pairs differ by the same, or there is one. */
  t: number | null
  /** Two-sided. */
  p: number | null
}

/** Student's paired t-test: a[i] and b[i] come from the same seed. */
export function pairedTTest(a: readonly number[], b: readonly number[]): PairedTest {
  if (a.length !== b.length || !a.length)
    throw new Error(`paired test: wanted as many of one as of the other, got ${a.length} and ${b.length}`)
  const { mean: difference, deviation } = summary(a.map((x, i) => x - b[i]))
  // Differences that rounding alone tells apart are the same.
  if (!deviation || deviation < 1e-12) return { difference, t: null, p: null }
  const t = difference / (deviation / Math.sqrt(a.length))
  return { difference, t, p: twoSided(t, a.length - 1) }
}

/**
 * P(|T| ≥ |t|) of Student's distribution with a whole number of degrees of freedom: the finite sums of Abramowitz and
 * Stegun, 26.7.3 and 26.7.4.
 */
export function twoSided(t: number, degrees: number): number {
  const angle = Math.atan(Math.abs(t) / Math.sqrt(degrees))
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)]
  const odd = degrees % 2
  // cosᵏ with its factor: k = 1, 3, … with 1, 2/3, (2·4)/(3·5), …, or k = 0, 2, … with 1, 1/2, (1·3)/(2·4), …
  let [term, sum] = [odd ? cos : 1, 0]
  for (let k = odd ? 1 : 0; k <= degrees - 2; k += 2) {
    sum += term
    term *= ((k + 1) / (k + 2)) * cos * cos
  }
  return Math.max(0, 1 - (odd ? (2 / Math.PI) * (angle + sin * sum) : sin * sum))
}
