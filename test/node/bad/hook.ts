import { test } from '../../harness'

// What a hook does when it throws: the file ends before its test ran.
queueMicrotask(() => {
  throw new Error('before')
})
test('x', () => {})
