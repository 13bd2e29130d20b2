import { sub } from '../../src/ops/sub'
import { binaryTests } from './binaries'

binaryTests({ name: 'sub', op: sub, value: (a, b) => a - b, gradients: (dy) => [dy, dy.map((v) => -v)] })
