// The benchmark page: how fast training's building blocks are on the visitor's own GPU.
import { h, render } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { NoWebGpu } from '../no_webgpu'
import { type Progress, pageRows, runRows, titleOf } from './run'
import { facts, resultTable } from './view'
import './bench.css'

function Page() {
  const [chosen, choose] = useState(new Set(pageRows.map((row) => row.name)))
  const [progress, setProgress] = useState<Progress | null>(null)
  const [said, say] = useState('')
  const running = useRef<AbortController | null>(null)

  const start = async () => {
    const controller = new AbortController()
    running.current = controller
    setProgress(null)
    say('')
    try {
      await runRows(
        pageRows.filter((row) => chosen.has(row.name)),
        controller.signal,
        setProgress,
      )
      say('Done.')
    } catch (thrown) {
      say(controller.signal.aborted ? 'Stopped.' : `It cannot run here: ${(thrown as Error).message}`)
    }
    running.current = null
  }
  const toggle = (name: string) => {
    const next = new Set(chosen)
    if (!next.delete(name)) next.add(name)
    choose(next)
  }
  const busy = Boolean(running.current)
  return h(
    'main',
    null,
    h('h1', null, 'How fast does your GPU fine-tune?'),
    h(
      'p',
      { class: 'soft' },
      'condlora, jax-js and TensorFlow.js do the same work on your own device, one after the other. Nothing leaves this page.',
    ),
    h(
      'fieldset',
      { disabled: busy },
      h('legend', null, 'What to measure'),
      pageRows.map((row) =>
        h(
          'label',
          { key: row.name },
          h('input', { type: 'checkbox', name: 'row', value: row.name, checked: chosen.has(row.name), onChange: () => toggle(row.name) }),
          ` ${titleOf(row)}`,
        ),
      ),
    ),
    h(
      'div',
      { class: 'actions' },
      h('button', { type: 'button', class: 'main', id: 'start', disabled: busy || !chosen.size, onClick: () => void start() }, 'Measure'),
      h('button', { type: 'button', id: 'stop', disabled: !busy, onClick: () => running.current?.abort() }, 'Stop'),
      progress && busy && h('progress', { 'aria-label': 'rows measured', value: progress.done, max: progress.of }),
      h('span', { id: 'status', role: 'status' }, busy ? (progress?.now ?? 'opening') : said),
    ),
    progress && facts(progress.report),
    progress?.doctor &&
      h(
        'details',
        { id: 'doctor' },
        h('summary', null, progress.doctor.ok ? 'The kernels compute right on this device.' : 'A kernel computes wrong on this device.'),
        h('pre', { tabIndex: 0 }, progress.doctor.text),
      ),
    progress && resultTable(progress.report),
    progress && !busy && progress.report.rows.length > 0 && h(Copy, { text: JSON.stringify(progress.report, null, 1), say }),
  )
}

function Copy({ text, say }: { text: string; say: (text: string) => void }) {
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => say('Copied.'),
      () => say('The browser does not let this page copy: select the text below.'),
    )
  return h(
    'section',
    null,
    h('div', { class: 'actions' }, h('button', { type: 'button', id: 'copy', onClick: () => void copy() }, 'Copy as JSON')),
    h('textarea', { 'aria-label': 'the results as JSON', readOnly: true, rows: 8, value: text }),
  )
}

const root = document.getElementById('root') as HTMLElement
render(
  navigator.gpu ? h(Page, null) : h(NoWebGpu, { what: 'This page measures what WebGPU can do, and has nothing to show without.' }),
  root,
)
