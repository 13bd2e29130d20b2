import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { constants, homedir, tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'

const help =
  'Linux: install a Vulkan driver (Debian: apt install mesa-vulkan-drivers libvulkan1); macOS 12+ and Windows 10+: update the GPU driver.'

/**
 * Makes SwiftShader, a Vulkan driver that runs on the processor, known to Dawn: the next `create()` finds it. Linux x64
 * only. It comes from npm `@sparticuz/chromium` and is unpacked once into the user's cache.
 * `CONDLORA_VULKAN=<libvulkan.so.1>` together with `VK_DRIVER_FILES` names another loader and driver instead.
 */
export async function loadSoftwareAdapter(): Promise<void> {
  const own = process.env.CONDLORA_VULKAN || undefined
  const loader = own ?? join(await unpacked(), 'libvulkan.so.1')
  if (!own) {
    const icd = join(dirname(loader), 'vk_swiftshader_icd.json')
    process.env.VK_DRIVER_FILES = icd
    process.env.VK_ICD_FILENAMES = icd
  }
  const nodelete = 0x1000 // Node itself does not name RTLD_NODELETE
  try {
    process.dlopen({ exports: {} } as NodeJS.Module, loader, constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL | nodelete)
  } catch (thrown) {
    // A plain library is no Node addon: it says so after it was loaded.
    if (!String(thrown).includes('did not self-register')) throw new Error(`openDevice: cannot load ${loader}: ${String(thrown)}. ${help}`)
  }
}

async function unpacked(): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(`openDevice: the software adapter exists for Linux x64 only (this is ${process.platform} ${process.arch}). ${help}`)
  const { archive, version } = await findPackage()
  const cache = process.env.XDG_CACHE_HOME ?? (homedir() !== '/' ? join(homedir(), '.cache') : tmpdir())
  const folder = join(cache, 'condlora', `swiftshader-${version}`)
  if (existsSync(join(folder, 'libvulkan.so.1'))) return folder
  await mkdir(dirname(folder), { recursive: true })
  const temporary = await mkdtemp(`${folder}.`)
  for (const [name, bytes] of untar(brotliDecompressSync(await readFile(archive)))) await writeFile(join(temporary, basename(name)), bytes)
  const icd = join(temporary, 'vk_swiftshader_icd.json')
  const json = JSON.parse(await readFile(icd, 'utf8'))
  json.ICD.library_path = join(folder, basename(json.ICD.library_path))
  await writeFile(icd, JSON.stringify(json))
  // Whoever is second throws its copy away.
  await rename(temporary, folder).catch(() => rm(temporary, { recursive: true, force: true }))
  return folder
}

async function findPackage(): Promise<{ archive: string; version: string }> {
  let entry: string
  try {
    entry = createRequire(import.meta.url).resolve('@sparticuz/chromium')
  } catch {
    throw new Error(
      `openDevice: the software adapter needs the package @sparticuz/chromium 147.0.0: npm install @sparticuz/chromium@147.0.0. ${help}`,
    )
  }
  let folder = dirname(entry)
  while (!existsSync(join(folder, 'bin', 'swiftshader.tar.br')) && dirname(folder) !== folder) folder = dirname(folder)
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  return { archive: join(folder, 'bin', 'swiftshader.tar.br'), version }
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
