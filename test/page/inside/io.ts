// What the tests of storage call inside a page and its worker.
import * as library from '../../../src/io'

declare global {
  var io: typeof library
}
globalThis.io = library
