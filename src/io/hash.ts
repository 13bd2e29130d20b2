/** A hash as hexadecimal digits. */
export async function hexDigest(algorithm: 'SHA-1' | 'SHA-256', bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest(algorithm, bytes))
  return Array.from(digest, (b) => b.toString(16).padStart(2, '0')).join('')
}

export const sha256 = (bytes: Uint8Array<ArrayBuffer>) => hexDigest('SHA-256', bytes)
