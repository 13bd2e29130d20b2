import { tanh } from '../../src/ops/tanh'
import { activationTests } from './activations'

activationTests('tanh', tanh, Math.tanh, (x) => 1 / Math.cosh(Math.min(Math.abs(x), 300)) ** 2)
