import { test } from '../../harness'

test('x', () => {
  location.href = 'about:blank'
  return new Promise(() => {})
})
