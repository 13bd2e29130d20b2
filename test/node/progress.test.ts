import { showProgress } from '../../src/cli/progress'
import type { Trainer, TrainerEvents } from '../../src/train'
import { Emitter } from '../../src/train/emitter'
import { assert, test } from '../harness'

class Events extends Emitter<TrainerEvents> {
  override emit<K extends keyof TrainerEvents>(event: K, data: TrainerEvents[K]): void {
    super.emit(event, data)
  }
}

/** What comes on stderr while `work` tells of a run. */
function shown(terminal: boolean, work: (events: Events) => void): string {
  const { stderr } = process
  const { isTTY, write } = stderr
  let out = ''
  stderr.isTTY = terminal
  stderr.write = (text) => {
    out += text
    return true
  }
  try {
    const events = new Events()
    const stop = showProgress(events as unknown as Trainer, (line) => stderr.write(`${line}\n`))
    work(events)
    stop()
  } finally {
    stderr.isTTY = isTTY
    stderr.write = write
  }
  return out
}

const log = { totalSteps: 4, epoch: 1, loss: 0.5, learningRate: 1e-3, gradNorm: 1, samplesPerSecond: 12.34, eta: 65 }
const run = (events: Events) => {
  events.emit('step', { step: 1, totalSteps: 4 })
  events.emit('step', { step: 2, totalSteps: 4 })
  events.emit('log', { ...log, step: 2 })
  events.emit('step', { step: 3, totalSteps: 4 })
  events.emit('evaluate', { step: 3, evalLoss: 0.25, evalRuntime: 3 })
  events.emit('step', { step: 4, totalSteps: 4 })
  events.emit('log', { ...log, step: 4 })
}

test('on a terminal a bar moves with each step and keeps the last numbers; what stays stands above it', () => {
  const out = shown(true, run)
  for (const step of ['1/4', '3/4  1:05 left  loss 0.5000  lr 0.00100  12.3 samples/s', '4/4  1:05 left'])
    assert.ok(out.includes(step), `${step} in ${JSON.stringify(out)}`)
  assert.match(out, /step 3: evalLoss 0\.2500\n/)
})

const begun = { seconds: 1, pipelines: 33, compileSeconds: 1.06, selfTested: 0, selfTestSeconds: 0, tuneSeconds: 0.5 }
const words = /^first step after \d+\.\d s: 33 pipelines in 1\.1 s, self-test 0\.0 s \(known\), tuning 0\.5 s\n$/
const start = (events: Events) => {
  events.emit('progress', { task: 'compile', done: 1, total: 2 })
  events.emit('progress', { task: 'compile', done: 2, total: 30 })
  events.emit('progress', { task: 'compile', done: 30, total: 30 })
  events.emit('firstStep', begun)
  events.emit('firstStep', { ...begun, selfTested: 3 })
}

test('a bar shows how compiling goes while more pipelines are asked for; a line tells what the first step waited for, once', () => {
  const out = shown(true, start)
  for (const text of ['1/2', '30/30', 'compile']) assert.ok(out.includes(text), `${text} in ${JSON.stringify(out)}`)
  assert.is(out.match(/first step after/g)?.length, 1)
  assert.match(shown(false, start), words)
})

test('elsewhere plain lines: the last step always, others about every ten seconds', () => {
  assert.is(shown(false, run), 'step 3: evalLoss 0.2500\nstep 4/4  1:05 left  loss 0.5000  lr 0.00100  12.3 samples/s\n')
})
