export const env: Record<string, string | undefined> = process.env

/** Here fetch shows redirects, and they are followed by hand. */
export const followsRedirects = false

/** Loaded when a hub is first asked. */
export const hubPackage = (): Promise<typeof import('@huggingface/hub')> => import('@huggingface/hub')

/** Where the cache lies. */
export async function hubFolder(cacheDir?: string): Promise<string> {
  const { getHFHubCachePath } = await hubPackage()
  const cache = cacheDir ?? getHFHubCachePath()
  if (!cache) throw new TypeError('cacheDir, or HF_HUB_CACHE: wanted a folder, got an empty name')
  return cache
}
