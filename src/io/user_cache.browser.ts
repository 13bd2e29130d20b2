import type { Files } from './files'

/** A page has none yet. */
export function userCache(): Files | undefined {
  return undefined
}
