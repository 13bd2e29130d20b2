// The browser of the tests: npm `@sparticuz/chromium` on Linux x64, which needs nothing of the machine and computes on
// SwiftShader; CONDLORA_CHROME=PATH, and elsewhere an installed Chrome, on the machine's own GPU.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Browser, chromium, type LaunchOptions } from 'playwright-core'
import { isLinuxX64, unpackOnce } from '../../src/gpu/chromium.node'

/** A headless browser with WebGPU; whoever launches it closes it. */
export async function launchChromium(args: string[] = []): Promise<Browser> {
  const options = await chromiumOptions(args)
  return await chromium.launch(options).catch((thrown) => {
    const [reason] = String((thrown as Error).message).split('\n')
    throw new Error(
      `no browser for the tests: ${reason} Install Chrome, or name one: CONDLORA_CHROME=PATH${options.channel ? '' : `\n${thrown.message}`}`,
    )
  })
}

/** What `launch` and `launchPersistentContext` take. */
export async function chromiumOptions(args: string[] = []): Promise<LaunchOptions> {
  const installed = process.env.CONDLORA_CHROME || undefined
  const own = !installed && isLinuxX64
  // Vulkan alone gives WebGPU on Linux; other systems have it by default.
  const flags = process.platform === 'linux' ? ['--enable-unsafe-webgpu', '--enable-features=Vulkan'] : []
  const software = own || process.env.CONDLORA_TEST_ADAPTER === 'swiftshader'
  if (software) flags.push('--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader')
  const env = { ...process.env } as Record<string, string>
  // A driver that was chosen for Node would stand in the way of the browser's own SwiftShader.
  if (software) for (const name of ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VK_ADD_DRIVER_FILES']) delete env[name]
  const options: LaunchOptions = { headless: true, args: ['--no-sandbox', ...new Set(flags), ...args], env }
  if (installed) return { ...options, executablePath: installed }
  if (!own) return { ...options, channel: 'chrome' }
  const folder = await unpacked()
  const libraries = [join(folder, 'lib'), folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':')
  return { ...options, executablePath: join(folder, 'chromium'), env: { ...env, LD_LIBRARY_PATH: libraries, FONTCONFIG_PATH: folder } }
}

/** Browser, its libraries, SwiftShader and one font family: a machine may have none. */
function unpacked(): Promise<string> {
  const archives = ['chromium.br', 'al2023.tar.br', 'swiftshader.tar.br', 'fonts.tar.br']
  return unpackOnce('the browser of the tests', 'chromium', archives, (folder, final) =>
    writeFile(
      join(folder, 'fonts.conf'),
      `<?xml version="1.0"?>\n<fontconfig><dir>${join(final, 'fonts')}</dir><dir>/usr/share/fonts</dir><cachedir>${join(final, 'fonts-cache')}</cachedir></fontconfig>\n`,
    ),
  )
}
