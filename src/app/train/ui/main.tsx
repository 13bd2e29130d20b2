// The training page: everything that one sees. What takes long is the worker's.
import { effect } from '@preact/signals'
import { render } from 'preact'
import { NoWebGpu } from '../../no_webgpu'
import { begin } from './actions'
import { App, purpose } from './app'
import { leave, wasLeft } from './left'
import './page.css'
import { begun, busy, running, step } from './state'

const root = document.getElementById('root') as HTMLElement

if (navigator.gpu) {
  render(<App />, root)
  const title = document.title
  // A tab in the background tells by its title.
  effect(() => {
    const total = begun.value?.totalSteps
    const done = total ? `${Math.floor((100 * step.value) / total)} % · ` : ''
    document.title = busy.value ? `${running.value === 'paused' ? '⏸ ' : ''}${done}condlora` : title
  })
  addEventListener('pagehide', leave)
  // Come back as it was: not left after all.
  addEventListener('pageshow', ({ persisted }) => persisted && wasLeft())
  void begin(() => new Worker(new URL('worker.js', import.meta.url), { type: 'module', name: 'training' }))
} else {
  render(<NoWebGpu what={purpose} />, root)
}
