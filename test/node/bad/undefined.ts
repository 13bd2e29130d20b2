import { test } from '../../harness'

test('x', () => Promise.reject(undefined))
