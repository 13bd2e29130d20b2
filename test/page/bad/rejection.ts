import { test } from '../../harness'

// Passes, but for a promise that nobody waits for.
test('x', () => {
  void Promise.reject(new Error('unheard'))
})
