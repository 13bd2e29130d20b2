import { checkPath, type Files } from './files'
import type { HubClient } from './hub_client'
import type { HubStore, OpenStore } from './hub_store'
import type { Listing } from './hub_types'

/** No cache yet: every read is a range of bytes asked of the hub. */
export const openStore: OpenStore = async () => store

const store: HubStore = {
  name: 'a page, which keeps no files of the hub',
  commit: async () => undefined,
  listing: async () => undefined,
  keepListing: async () => {},
  files: (commit, listing, client) => {
    if (!listing || !client) throw new Error('a page has no hub files without the network')
    return rangeFiles(commit, listing, client)
  },
}

function rangeFiles(commit: string, listing: Listing, client: HubClient): Pick<Files, 'list' | 'size' | 'read'> {
  return {
    list: async () => [...listing.keys()],
    size: async (path) => listing.get(checkPath(path))?.size,
    read: async (path, start = 0, end) => {
      const name = `${client.repo.id}/${path}`
      const size = listing.get(checkPath(path))?.size
      if (size === undefined) throw new Error(`${client.repo.id}: there is no file ${path}`)
      const stop = Math.max(start, end ?? size)
      if (stop > size) throw new Error(`${name}: the file ends at byte ${size}, wanted ${stop}`)
      return stop === start ? new Uint8Array(0) : readRange(client, client.fileUrl(commit, path), name, start, stop, size)
    },
  }
}

async function readRange(client: HubClient, url: string, name: string, start: number, end: number, size: number) {
  const whole = start === 0 && end === size
  const { response, bytes } = await client.bytes(url, whole ? {} : { Range: `bytes=${start}-${end - 1}` }, end - start, name)
  if (!whole && response.status !== 206) throw new Error(`${name}: wanted bytes ${start} to ${end}, but the hub sends whole files only`)
  if (bytes.length !== end - start) throw new Error(`${name}: wanted ${end - start} bytes, got ${bytes.length}`)
  return bytes
}
