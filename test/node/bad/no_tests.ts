import { test } from '../../harness'

// Imports the harness and registers nothing.
export { test }
