/**
 * Says which browsers have WebGPU; a page shows it instead of itself.
 * @param what what the page would do with it
 * @param reason what is missing, where it is more than WebGPU in this page
 */
export function NoWebGpu({ what, reason }: { what: string; reason?: string }) {
  return (
    <main class="none">
      <h1>WebGPU is missing</h1>
      <p>{reason ?? (globalThis.isSecureContext ? `This browser offers no WebGPU. ${what}` : insecure)}</p>
      <p>These browsers have it:</p>
      <ul>
        <li>Chrome and Edge 113 or newer on Windows, macOS and ChromeOS, 121 on Android</li>
        <li>
          Chrome on Linux 144 or newer; before, with <code>chrome://flags/#enable-unsafe-webgpu</code> and <code>#enable-vulkan</code> on
        </li>
        <li>Safari 26 on macOS, iOS and iPadOS</li>
        <li>
          Firefox 141 or newer on Windows, 145 on Macs; elsewhere its Nightly, with <code>dom.webgpu.enabled</code> and, for workers,{' '}
          <code>dom.webgpu.workers.enabled</code> switched on in <code>about:config</code>
        </li>
      </ul>
    </main>
  )
}

const insecure = 'Browsers offer WebGPU to safe pages alone: open this one by https, or from localhost.'
