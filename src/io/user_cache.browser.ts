import type { Files } from './files'
import { openFolder } from './folder.browser'

/** This site's folder for what can be made again, `condlora` in the browser's own file system. */
export function userCache(): Files | undefined {
  return openFolder('condlora')
}
