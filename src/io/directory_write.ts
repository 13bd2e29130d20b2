import { readBlob } from './blobs'

/** Under a temporary name, then renamed. */
export async function write(folder: FileSystemDirectoryHandle, name: string, bytes: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = `${name}.${crypto.randomUUID().slice(0, 8)}.tmp`
  const file = await folder.getFileHandle(temporary, { create: true })
  try {
    await fill(file, bytes instanceof Uint8Array ? [bytes] : bytes)
    await alone(name, () => rename(folder, file, name))
  } catch (thrown) {
    await discard(folder, temporary)
    throw thrown
  }
}

/** Tabs and workers that write one file at the same moment take turns: the browser refuses to rename onto what is being renamed. */
function alone(name: string, body: () => Promise<void>): Promise<void> {
  const { locks } = navigator
  return locks ? locks.request(`condlora: rename to ${name}`, body) : body()
}

/** A stream that was aborted holds its file for a moment longer. */
async function discard(folder: FileSystemDirectoryHandle, name: string): Promise<void> {
  for (const waitMs of [10, 50, 250, 1000, 0]) {
    const inUse = await folder.removeEntry(name).then(
      () => false,
      (thrown) => (thrown as DOMException).name === 'NoModificationAllowedError',
    )
    if (!inUse) return
    await new Promise((resolve) => setTimeout(resolve, waitMs))
  }
}

async function fill(file: FileSystemFileHandle, bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
  const stream = await file.createWritable()
  try {
    for await (const piece of bytes) await stream.write(piece as Uint8Array<ArrayBuffer>)
    await stream.close()
  } catch (thrown) {
    await stream.abort().catch(() => {})
    throw thrown
  }
}

/** Not in TypeScript's DOM yet. */
type Movable = FileSystemFileHandle & { move?: (name: string) => Promise<void> }

async function rename(folder: FileSystemDirectoryHandle, file: Movable, name: string): Promise<void> {
  try {
    if (file.move) return await file.move(name)
  } catch (thrown) {
    // Chromium renames in its own file system alone.
    if (!['NotAllowedError', 'NotSupportedError', 'InvalidModificationError'].includes((thrown as DOMException).name)) throw thrown
  }
  // What is there is replaced when the stream is closed, not before.
  const content = pieces(await file.getFile())
  await fill(await folder.getFileHandle(name, { create: true }), content)
  await folder.removeEntry(file.name)
}

async function* pieces(blob: Blob): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < blob.size; start += 1 << 22) yield readBlob(blob, start, Math.min(blob.size, start + (1 << 22)))
}
