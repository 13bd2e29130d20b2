export const env: Record<string, string | undefined> = process.env

/** Here fetch shows redirects, and they are followed by hand. */
export const followsRedirects = false

/** Loaded when a hub is first asked. */
export const hubPackage = (): Promise<typeof import('@huggingface/hub')> => import('@huggingface/hub')
