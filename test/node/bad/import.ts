import { test } from '../../harness'

// Nothing is registered when a file cannot be loaded: the reason must be seen all the same.
if (typeof test === 'function') throw new Error('cannot be loaded')
