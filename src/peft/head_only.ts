import type { Method } from './method'

/** No adapter: the classification head is all that is trained. */
export const headOnly: Method = {
  parameters: [],
  prepare: () => ({ adapters: new Map(), derived: [] }),
  asLora: () => [],
}
