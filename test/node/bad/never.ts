import { test } from '../../harness'

test('x', () => new Promise(() => {}), { timeoutMs: 500 })
