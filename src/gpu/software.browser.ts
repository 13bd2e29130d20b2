/** A page cannot load a driver: only the browser's own flags can. */
export async function loadSoftwareAdapter(): Promise<void> {
  throw new Error(
    'openDevice: a page has no software adapter of its own; start Chrome with --enable-unsafe-webgpu --use-webgpu-adapter=swiftshader',
  )
}
