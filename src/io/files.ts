/** A place with files: a folder, memory, a hub, dropped files. Paths are relative, with `/`. */
export interface Files {
  /** What messages call it. */
  readonly name: string
  /** Paths of all files below. */
  list(): Promise<string[]>
  /** Bytes, or undefined where there is no such file. */
  size(path: string): Promise<number | undefined>
  /** Bytes [start, end); the whole file by default. An error where the file is shorter than `end`. */
  read(path: string, start?: number, end?: number): Promise<Uint8Array<ArrayBuffer>>
  /** Writes the whole file, under a temporary name first: after a crash it is the old one or the new one. */
  write(path: string, bytes: Uint8Array | AsyncIterable<Uint8Array>): Promise<void>
  /** Deletes a file, and folders that are empty then; nothing happens where there is none. Places to read from lack it. */
  remove?(path: string): Promise<void>
}

/** Files in memory, e.g. dropped into a page. */
export function memoryFiles(name: string, entries: Iterable<[string, Uint8Array]> = []): Files {
  const files = new Map<string, Uint8Array>()
  for (const [path, bytes] of entries) files.set(checkPath(path), bytes)
  return {
    name,
    list: async () => [...files.keys()],
    size: async (path) => files.get(checkPath(path))?.length,
    read: async (path, start = 0, end) => {
      const bytes = files.get(checkPath(path))
      if (!bytes) throw new Error(`${name}: there is no file ${path}`)
      const stop = end ?? bytes.length
      if (stop > bytes.length) throw new Error(`${name}/${path}: the file ends at byte ${bytes.length}, wanted ${stop}`)
      return new Uint8Array(bytes.subarray(start, Math.max(start, stop))) // a copy, of a Buffer too
    },
    write: async (path, bytes) => {
      checkPath(path)
      files.set(path, bytes instanceof Uint8Array ? new Uint8Array(bytes) : await joined(bytes))
    },
    remove: async (path) => {
      files.delete(checkPath(path))
    },
  }
}

/** A folder of a larger one. */
export function subFolder(files: Files, folder: string): Files {
  return {
    name: `${files.name}/${folder}`,
    list: async () => (await files.list()).filter((f) => f.startsWith(`${folder}/`)).map((f) => f.slice(folder.length + 1)),
    size: (path) => files.size(`${folder}/${path}`),
    read: (path, start, end) => files.read(`${folder}/${path}`, start, end),
    write: (path, bytes) => files.write(`${folder}/${path}`, bytes),
    ...(files.remove ? { remove: (path: string) => files.remove?.(`${folder}/${path}`) ?? Promise.resolve() } : {}),
  }
}

async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const piece of pieces) parts.push(new Uint8Array(piece))
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Refuses names that leave the folder. */
export function checkPath(path: string): string {
  const parts = path.split('/')
  if (!path || path.startsWith('/') || /[\\\0:]/.test(path) || parts.some((p) => p === '..' || p === '.' || p === ''))
    throw new Error(`the file name ${JSON.stringify(path)} is not a plain name inside its folder`)
  return path
}

/** Reads and parses JSON of bounded size and depth. */
export async function readJson(files: Files, path: string, maxBytes = 64 << 20): Promise<Record<string, unknown>> {
  const size = await files.size(path)
  if (size === undefined) throw new Error(`${files.name}: there is no file ${path}`)
  if (size > maxBytes) throw new Error(`${files.name}/${path}: ${size} bytes are too many for a JSON file (at most ${maxBytes})`)
  return parseJson(await files.read(path), `${files.name}/${path}`)
}

/** Parses bytes (UTF-8) or text as a JSON object, nested at most 64 deep. */
export function parseJson(source: Uint8Array | string, name: string): Record<string, unknown> {
  const text = typeof source === 'string' ? source : decodeUtf8(source, name)
  if (depth(text) > 64) throw new Error(`${name}: the JSON is nested too deeply (at most 64 levels)`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (thrown) {
    throw new Error(`${name}: this is not valid JSON: ${(thrown as Error).message}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${name}: wanted a JSON object`)
  return value as Record<string, unknown>
}

/** Strict UTF-8, without a byte order mark; the error names the first bad line. */
export function decodeUtf8(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Error(`${name}, line ${firstBadLine(bytes)}: this is not UTF-8 text; save it as UTF-8`)
  }
}

function firstBadLine(bytes: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let line = 1
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(10, start)
    const stop = end < 0 ? bytes.length : end
    try {
      decoder.decode(bytes.subarray(start, stop))
    } catch {
      return line
    }
    start = stop + 1
  }
  return line
}

function depth(text: string): number {
  let level = 0
  let deepest = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (inString) {
      if (c === 92) i++
      else if (c === 34) inString = false
    } else if (c === 34) inString = true
    else if (c === 123 || c === 91) deepest = Math.max(deepest, ++level)
    else if (c === 125 || c === 93) level--
  }
  return deepest
}
