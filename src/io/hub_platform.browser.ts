export const env: Record<string, string | undefined> = {}

/** A page is not shown redirects. */
export const followsRedirects = true

/** A chunk of its own, of the few functions that are used. */
export const hubPackage = (): Promise<typeof import('./hub_package')> => import('./hub_package')

/** Where the cache lies. */
export async function hubFolder(cacheDir = 'condlora/hub'): Promise<string> {
  return cacheDir
}
