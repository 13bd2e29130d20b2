import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { brotliDecompress } from 'node:zlib'

/** What npm `@sparticuz/chromium` brings is built for this. */
export const isLinuxX64 = process.platform === 'linux' && process.arch === 'x64'

/**
 * Unpacks archives of npm `@sparticuz/chromium` into a folder `<name>-<version>` of the user's cache, once: a folder that
 * is there is whole, whoever made it.
 * @param who begins the error where the package is missing
 * @param finish completes the folder before it gets its name, `final`
 */
export async function unpackOnce(
  who: string,
  name: string,
  archives: string[],
  finish: (folder: string, final: string) => Promise<void> = async () => {},
): Promise<string> {
  const { bin, version } = await findPackage(who)
  const cache = process.env.XDG_CACHE_HOME || (homedir() !== '/' ? join(homedir(), '.cache') : tmpdir())
  const folder = join(cache, 'condlora', `${name}-${version}`)
  if (existsSync(folder)) return folder
  await mkdir(dirname(folder), { recursive: true })
  const temporary = await mkdtemp(`${folder}.`)
  try {
    for (const archive of archives) await unpack(join(bin, archive), temporary)
    await finish(temporary, folder)
    // Whoever is second throws its copy away.
    await rename(temporary, folder).catch((thrown) => {
      if (!existsSync(folder)) throw thrown
    })
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  return folder
}

async function findPackage(who: string): Promise<{ bin: string; version: string }> {
  let entry: string
  try {
    entry = createRequire(import.meta.url).resolve('@sparticuz/chromium')
  } catch {
    throw new Error(`${who} needs the package @sparticuz/chromium 147.0.0: npm install @sparticuz/chromium@147.0.0`)
  }
  let folder = dirname(entry)
  while (!existsSync(join(folder, 'bin', 'swiftshader.tar.br')) && dirname(folder) !== folder) folder = dirname(folder)
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  return { bin: join(folder, 'bin'), version }
}

/** `x.tar.br` becomes its files, `x.br` the program `x`. */
async function unpack(archive: string, folder: string): Promise<void> {
  const bytes = await promisify(brotliDecompress)(await readFile(archive))
  const name = /([^/\\]+)\.br$/.exec(archive)![1]
  for (const [path, content] of name.endsWith('.tar') ? untar(bytes) : [[name, bytes] as const]) {
    const file = join(folder, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, content)
    await chmod(file, 0o755)
  }
}

/** Plain files of a tar archive. */
function* untar(bytes: Buffer): Generator<[string, Buffer]> {
  for (let at = 0; at + 512 <= bytes.length; ) {
    const text = (from: number, to: number) => bytes.toString('latin1', at + from, at + to).replace(/\0.*$/s, '')
    const name = text(0, 100)
    if (!name) return
    const size = Number.parseInt(text(124, 136).trim() || '0', 8)
    if (text(156, 157) === '0' || text(156, 157) === '') yield [name, bytes.subarray(at + 512, at + 512 + size)]
    at += 512 + Math.ceil(size / 512) * 512
  }
}
