import { useSignal } from '@preact/signals'
import { doctor } from './actions'
import { TroubleBox } from './parts'
import { busy, device } from './state'

/** The GPU that computes, and a check of it. */
export function DeviceLine() {
  const checking = useSignal(false)
  const report = useSignal<{ ok: boolean; text: string } | null>(null)
  const found = device.value
  if (!found) return <p class="device soft">Looking for a GPU …</p>
  const check = async () => {
    checking.value = true
    report.value = (await doctor()) ?? report.value
    checking.value = false
  }
  return (
    <div class="device">
      <span class={`dot${found.software ? ' slow' : ''}`} aria-hidden="true" />
      <span id="adapter">{found.adapter || 'a GPU that the browser does not name'}</span>
      <button type="button" class="link" id="check" disabled={checking.value || busy.value} onClick={() => void check()}>
        {checking.value ? 'Checking …' : 'Check that it computes right'}
      </button>
      {found.software && (
        <p class="soft small" id="software">
          This is the processor, many times slower than a GPU. If the machine has one, start Chrome with{' '}
          <code>--enable-unsafe-webgpu --enable-features=Vulkan</code>, allow hardware acceleration in its settings, and look at{' '}
          <code>chrome://gpu</code>.
        </p>
      )}
      {onWindows && !found.software && (
        <details class="small soft">
          <summary>Not the GPU you expected?</summary>
          <p>
            Windows decides which one a browser gets: Settings, System, Display, Graphics; add this browser, choose “High performance”,
            start it again.
          </p>
        </details>
      )}
      {report.value && (
        <details class="small" id="doctor" open={!report.value.ok}>
          <summary>
            {report.value.ok ? 'Every kernel computes right on this device.' : 'A kernel computes wrong here: results cannot be trusted.'}
          </summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a long text must scroll by keyboard */}
          <pre tabIndex={0}>{report.value.text}</pre>
        </details>
      )}
      <TroubleBox place="device" />
    </div>
  )
}

const onWindows = /Windows/.test(navigator.userAgent)
