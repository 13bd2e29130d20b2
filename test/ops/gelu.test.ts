import { gelu } from '../../src/ops/gelu'
import { activationTests } from './activations'

/** erfc(z) for z ≥ 0 in float64: the series of erf below 2, Lentz's continued fraction above. */
function erfc(z: number): number {
  if (z > 27) return 0
  if (z < 2) {
    let term = z
    let sum = z
    for (let n = 1; Math.abs(term) > 1e-18 * sum; n++) {
      term *= (-z * z) / n
      sum += term / (2 * n + 1)
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum
  }
  let fraction = z
  for (let k = 120; k > 0; k--) fraction = z + k / 2 / fraction
  return Math.exp(-z * z) / (Math.sqrt(Math.PI) * fraction)
}

const phi = (x: number) => (x < 0 ? erfc(-x / Math.SQRT2) / 2 : 1 - erfc(x / Math.SQRT2) / 2)
const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)
const xDensity = (x: number) => (Math.abs(x) > 100 ? 0 : x * density(x))

activationTests(
  'gelu',
  gelu,
  (x) => x * phi(x),
  (x) => phi(x) + xDensity(x),
)

const c = Math.sqrt(2 / Math.PI)
const inner = (x: number) => c * (x + 0.044715 * x ** 3)
// 1 + tanh(v) without cancellation.
const onePlus = (v: number) => 2 / (1 + Math.exp(-2 * v))
const sech2 = (v: number) => onePlus(v) * onePlus(-v)

activationTests(
  'gelu, tanh form',
  (x) => gelu(x, { approximate: 'tanh' }),
  (x) => (x / 2) * onePlus(inner(x)),
  (x) => onePlus(inner(x)) / 2 + (Math.abs(x) > 100 ? 0 : (x / 2) * sech2(inner(x)) * c * (1 + 3 * 0.044715 * x * x)),
)
