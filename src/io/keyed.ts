import { type Files, readJson } from './files'

const mostKeys = 32

/** What a cache's file holds for a key; undefined where it has nothing, or nothing that can be read and is as wanted. */
export async function readKept<T>(
  cache: Files,
  file: string,
  key: string,
  isWanted: (value: unknown) => value is T,
): Promise<T | undefined> {
  const { [key]: value } = await readAll(cache, file)
  return isWanted(value) ? value : undefined
}

/** Keeps a value for a key, and those of the latest 31 others. A cache that cannot be written costs time, no more. */
export async function keep(cache: Files, file: string, key: string, value: unknown): Promise<void> {
  const { [key]: _, ...others } = await readAll(cache, file)
  const kept = [...Object.entries(others), [key, value] as const].slice(-mostKeys)
  await cache.write(file, new TextEncoder().encode(JSON.stringify(Object.fromEntries(kept)))).catch(() => {})
}

const readAll = (cache: Files, file: string): Promise<Record<string, unknown>> => readJson(cache, file, 1 << 20).catch(() => ({}))
