/** WebGPU in a page or worker: `navigator.gpu`. The browser alone decides about software adapters. */
export async function platformGpu(_software: boolean, _toggles: string[] = []): Promise<GPU> {
  const gpu = globalThis.navigator?.gpu
  if (!gpu)
    throw new Error(`openDevice: this browser offers no WebGPU ${'document' in globalThis ? 'on this page' : inWorkers}. ${noAdapterHint}`)
  return gpu
}

const inWorkers =
  'in workers, which pages may have nonetheless (Firefox on Linux has a switch for each: dom.webgpu.enabled and dom.webgpu.workers.enabled)'

/** A browser rounds times as it likes. */
export const exactTimestamps: string[] = []

/** What a browser offers, it offers. */
export const experiments: string[] = []

/** What to tell a user of this platform who has no adapter. */
export const noAdapterHint =
  'Use Chrome or Edge 113+, Safari 26+ or Firefox 141+ on a secure page (https or localhost); on Linux start Chrome with ' +
  '--enable-unsafe-webgpu --enable-features=Vulkan. To run on the processor instead, ask for it: openDevice({ software: true }).'

/** Pages live on by themselves. */
export function keepAlive<T>(promise: Promise<T>): Promise<T> {
  return promise
}

/** A browser waits by itself. */
export function restBetweenTurns(): void {}

/** A page sees the browser's own choice alone, without a name. */
export async function adapterNames(): Promise<{ name: string; backend: string }[]> {
  return [{ name: '', backend: 'browser' }]
}

export async function adapterToggles(wanted: string, _software: boolean): Promise<string[]> {
  throw new Error(
    `openDevice: adapter: a page cannot choose an adapter by name (got ${JSON.stringify(wanted)}); use powerPreference, or the browser's settings`,
  )
}
