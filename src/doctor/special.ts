// Functions in float64 that JavaScript lacks.

/** erfc(x) for x ≥ 0: the series of erf near 0, else a continued fraction (both to float64's rounding). */
function erfc(x: number): number {
  if (x < 2) {
    let term = x
    let sum = x
    for (let n = 1; Math.abs(term) > 1e-18; n++) {
      term *= (-x * x) / n
      sum += term / (2 * n + 1)
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum
  }
  let fraction = 0
  for (let n = 60; n > 0; n--) fraction = n / 2 / (x + fraction)
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction)
}

/** The normal distribution's Φ. */
const phi = (x: number) => (x < 0 ? erfc(-x / Math.SQRT2) / 2 : 1 - erfc(x / Math.SQRT2) / 2)

export const gelu = (x: number) => x * phi(x)
export const geluSlope = (x: number) => phi(x) + (Math.abs(x) < 40 ? (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI) : 0)

const root = Math.sqrt(2 / Math.PI)
const inner = (x: number) => root * (x + 0.044715 * x ** 3)

export const geluTanh = (x: number) => (x / 2) * (1 + Math.tanh(inner(x)))
export function geluTanhSlope(x: number): number {
  const sech2 = 1 / Math.cosh(inner(x)) ** 2
  const tail = sech2 === 0 ? 0 : (x / 2) * sech2 * root * (1 + 3 * 0.044715 * x * x)
  return (1 + Math.tanh(inner(x))) / 2 + tail
}
