import { test } from '../../harness'

test('x', () => Promise.reject({ message: 'not an Error', constructor: undefined }))
