import { mkdir, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname } from 'node:path'
import { sleep } from './hub_client'

const beatMs = 2_000
const staleMs = 10_000
let taken = 0

/**
 * Runs `work` while no other process does so under the same lock file. The holder touches the file every two seconds;
 * one that has not been touched for ten belongs to a process that died. A lock saves double work and no more: what is
 * downloaded is judged by its hash.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const owner = `${process.pid}-${++taken}-${Date.now()}`
  await mkdir(dirname(path), { recursive: true })
  while (!(await take(path, owner))) await sleep(100)
  const beat = setInterval(() => {
    utimes(path, new Date(), new Date()).catch(() => {})
  }, beatMs)
  try {
    return await work()
  } finally {
    clearInterval(beat)
    if ((await readFile(path, 'utf8').catch(() => '')) === owner) await rm(path, { force: true })
  }
}

async function take(path: string, owner: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx')
    await file.writeFile(owner).finally(() => file.close())
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const seen = await stat(path).catch(() => undefined)
  if (seen && Date.now() - seen.mtimeMs > staleMs) {
    // By renaming, so that only one of several waiters takes it away.
    const aside = `${path}.${owner}`
    await rename(path, aside).then(
      () => rm(aside, { force: true }),
      () => {},
    )
  }
  return false
}
