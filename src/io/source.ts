import type { Files } from './files'
import { isFolder, openFolder } from './folder.node'
import { isHubId, openHub } from './hub'
import type { HubOptions, Repository } from './hub_types'

/**
 * What a model, tokenizer, adapter or data set is loaded from: Files as they are; a string is a folder where there is one, else
 * a name on the hub.
 * @throws Error that says of both why not
 */
export async function openSource(source: string | Files, options: HubOptions & { repoType?: Repository['type'] } = {}): Promise<Files> {
  if (typeof source !== 'string') return source
  if (await isFolder(source)) return openFolder(source)
  const name = JSON.stringify(source)
  if (!isHubId(source)) throw new Error(`there is no folder ${name}, nor can it be a name on the hub (wanted owner/name)`)
  try {
    return await openHub(source, options)
  } catch (thrown) {
    throw new Error(`there is no folder ${name}, and the hub gave nothing: ${(thrown as Error).message}`, { cause: thrown })
  }
}
