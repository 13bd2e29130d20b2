import { test } from '../../harness'

// Nothing is registered when a file cannot be loaded: the reason must be seen all the same.
throw new Error(`cannot be loaded, with ${typeof test} at hand`)
