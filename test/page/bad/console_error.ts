import { test } from '../../harness'

test('x', () => console.error('something is wrong'))
