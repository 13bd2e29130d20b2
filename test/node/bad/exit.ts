import { test } from '../../harness'

test('x', () => process.exit(0))
test('y', () => {})
