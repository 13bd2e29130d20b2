import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Files } from './files'
import { openFolder } from './folder.node'

/** This user's folder for what can be made again, `condlora` in `$XDG_CACHE_HOME` or `~/.cache`. */
export function userCache(): Files | undefined {
  const cache = process.env.XDG_CACHE_HOME || (homedir() !== '/' ? join(homedir(), '.cache') : tmpdir())
  return openFolder(join(cache, 'condlora'))
}
