import { readFile, writeFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { isLinuxX64, unpackOnce } from './chromium.node'

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

/** Linux without a Vulkan loader: there can be no adapter, and Dawn would print a warning at the attempt. */
export function vulkanIsMissing(): boolean {
  if (process.platform !== 'linux') return false
  try {
    process.dlopen({ exports: {} } as NodeJS.Module, 'libvulkan.so.1', constants.dlopen.RTLD_LAZY)
  } catch (thrown) {
    return String(thrown).includes('cannot open shared object file')
  }
  return false
}

async function unpacked(): Promise<string> {
  if (!isLinuxX64)
    throw new Error(`openDevice: the software adapter exists for Linux x64 only (this is ${process.platform} ${process.arch}). ${help}`)
  return unpackOnce('openDevice: the software adapter', 'swiftshader', ['swiftshader.tar.br'], async (folder, final) => {
    const icd = join(folder, 'vk_swiftshader_icd.json')
    const json = JSON.parse(await readFile(icd, 'utf8'))
    json.ICD.library_path = join(final, basename(json.ICD.library_path))
    await writeFile(icd, JSON.stringify(json))
  })
}
