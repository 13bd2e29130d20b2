import { add } from '../../src/ops/add'
import { binaryTests } from './binaries'

binaryTests({ name: 'add', op: add, value: (a, b) => a + b, gradients: (dy) => [dy, dy] })
