import { checkPath } from './files'
import type { HubClient } from './hub_client'
import { hubPackage } from './hub_platform.node'
import { type HubEntry, HubError, type Listing } from './hub_types'

export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision)

/** The commit that a branch or tag stands for now. */
export async function askCommit(client: HubClient): Promise<string> {
  const { id, type, revision } = client.repo
  const { modelInfo, datasetInfo } = await hubPackage()
  const asked = { name: id, revision, hubUrl: client.endpoint, fetch: client.api }
  const { sha } =
    type === 'dataset'
      ? await datasetInfo({ ...asked, additionalFields: ['sha'] })
      : await modelInfo({ ...asked, additionalFields: ['sha'] })
  if (typeof sha !== 'string' || !isCommit(sha))
    throw new HubError(
      `${id}: the hub names no commit for revision ${JSON.stringify(revision)}, got ${JSON.stringify(sha)?.slice(0, 60)}`,
      400,
    )
  return sha
}

const mostEntries = 200_000
const mostPages = 1000

/** Names, sizes and hashes of all files of a commit. */
export async function askListing(client: HubClient, commit: string): Promise<Listing> {
  const { id, type } = client.repo
  const { listFiles } = await hubPackage()
  const listing = new Map<string, HubEntry>()
  let pages = 0
  const counted: typeof fetch = (url) => {
    if (++pages > mostPages) throw new HubError(`${id}: the hub's list of files has more than ${mostPages} pages`, 400)
    return client.api(url)
  }
  const items = listFiles({ repo: { type, name: id }, recursive: true, revision: commit, hubUrl: client.endpoint, fetch: counted })
  for await (const { type: kind, path, size, oid, lfs, xetHash } of items) {
    if (kind !== 'file' || !isPlain(path)) continue
    if (listing.size >= mostEntries) throw new HubError(`${id}: the hub lists more than ${mostEntries} files`, 400)
    listing.set(path, checkEntry({ size: lfs?.size ?? size, blobId: oid, sha256: lfs?.oid, xetHash }, `${id}/${path}`))
  }
  return listing
}

/** A name that leaves the folder is as good as not there: whoever asks for it is refused. */
function isPlain(path: unknown): path is string {
  try {
    return typeof path === 'string' && checkPath(path) === path
  } catch {
    return false
  }
}

const isHash = (value: unknown, digits: number): value is string =>
  typeof value === 'string' && value.length === digits && /^[0-9a-f]*$/.test(value)

/** Sizes and hashes become file names and lengths here: nothing else may stand in them. */
function checkEntry({ size, blobId, sha256, xetHash }: Record<keyof HubEntry, unknown>, where: string): HubEntry {
  if (!Number.isSafeInteger(size) || (size as number) < 0 || !isHash(blobId, 40) || !(sha256 === undefined || isHash(sha256, 64)))
    throw new HubError(
      `${where}: wanted a size and hashes in the hub's list, got ${JSON.stringify({ size, blobId, sha256 }).slice(0, 200)}`,
      400,
    )
  return { size: size as number, blobId, ...(sha256 ? { sha256 } : {}), ...(isHash(xetHash, 64) ? { xetHash } : {}) }
}

/** The listing as Python's huggingface_hub keeps it in trees/<commit>.json. */
export function listingToJson(listing: Listing): object {
  const files = [...listing].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, e]) => [path, entryToJson(e)])
  return { format_version: 1, files: Object.fromEntries(files) }
}

function entryToJson({ size, blobId, sha256, xetHash }: HubEntry): object {
  const large = sha256 ? { lfs_sha256: sha256, lfs_size: size } : {}
  return { size, blob_id: blobId, ...large, ...(xetHash ? { xet_hash: xetHash } : {}) }
}

/** Undefined where it is of another version or broken: it can be asked for again. */
export function listingFromJson(json: Record<string, unknown>): Listing | undefined {
  const { format_version: version, files } = json
  if (version !== 1 || typeof files !== 'object' || files === null) return undefined
  try {
    const entries = Object.entries(files as Record<string, Record<string, unknown> | null>).filter(([path]) => isPlain(path))
    return new Map(
      entries.map(([path, e]) => {
        const fields = { size: e?.lfs_size ?? e?.size, blobId: e?.blob_id, sha256: e?.lfs_sha256, xetHash: e?.xet_hash }
        return [path, checkEntry(fields, path)]
      }),
    )
  } catch {
    return undefined
  }
}
