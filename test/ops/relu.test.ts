import { relu } from '../../src/ops/relu'
import { activationTests } from './activations'

activationTests(
  'relu',
  relu,
  (x) => Math.max(x, 0),
  (x) => (x > 0 ? 1 : 0),
)
