// Stands in for the training page's worker: the same protocol, no GPU. What is out of the ordinary stands in its URL:
// `?unfinished&smaller&finished` a run of an earlier visit, `?refuse=CALL` an error, `?dies` an uncaught error at the third step,
// `?deviceless`, `?early`, `?slow`, `?late` model and rows are read when a run is under way.
import type { CallName, Compared, Event, Outcome, Reply, Request, Settings, Unfinished } from '../../src/app/train/protocol'

const scenario = new URLSearchParams(location.search)
const tell = (reply: Reply) => globalThis.postMessage(reply)
const totalSteps = 20
let step = 0
let settings: Settings | null = null
let paused = false
let stopped = false
let compared: Compared[] = []
let unfinished: Unfinished | null = scenario.has('unfinished') ? earlier() : null
let kept = [{ name: 'models/FacebookAI/roberta-base', bytes: 498_000_000 }]

function earlier(): Unfinished {
  const chosen = { text: 'text', label: 'label', method: 'lora', r: 4, loraAlpha: 8, numTrainEpochs: 2, learningRate: 1e-3 } as const
  return {
    base: 'roberta-mini',
    data: 'the sample',
    settings: { ...chosen, perDeviceTrainBatchSize: 16, maxLength: 64, seed: 0, earlyStoppingPatience: 3 },
    step: 8,
    totalSteps,
    savedAt: Date.now() - 5 * 60_000,
    ...(scenario.has('smaller') ? { smallerBatch: 8 } : {}),
    ...(scenario.has('finished') ? { step: totalSteps, finished: true } : {}),
  }
}

const answers: { [N in CallName]: (args: Extract<Request, { call: N }>['args']) => unknown } = {
  open: () => {
    if (scenario.has('deviceless')) throw new Error('this browser has no WebGPU in workers')
    return { adapter: 'A fake GPU', software: scenario.has('software'), features: [] }
  },
  doctor: () => ({ json: { ok: true }, text: 'condlora doctor: all right' }),
  data: async ({ source }) => {
    await late()
    return {
      name: source.from === 'sample' ? 'sample' : source.file.name,
      rows: 4329,
      columns: source.from === 'sample' ? ['text', 'label'] : ['id', 'sentence1', 'sentence2', 'label'],
      first: [
        { text: 'Win a prize, click here', label: 'spam', id: '1', sentence1: 'One sentence', sentence2: 'another' },
        { text: 'The patch is in the list’s archive <b>', label: 'ham', id: '2', sentence1: 'It rains', sentence2: 'It is wet' },
      ],
    }
  },
  model: async ({ base }) => {
    await late()
    const name = base.from === 'hub' ? base.id : base.from === 'files' ? base.name : 'roberta-mini'
    tell({ event: 'download', file: 'model.safetensors', done: 5, total: 10 })
    return { name, architecture: 'RoBERTa', parameters: 1_350_000, layers: 4, hiddenSize: 128, bytes: 5_400_000 }
  },
  start: ({ settings: chosen }) => {
    unfinished = null
    step = 0
    settings = chosen
    return train()
  },
  resume: ({ perDeviceTrainBatchSize }) => {
    tell({ event: 'notice', text: `in parts of ${perDeviceTrainBatchSize}` })
    step = unfinished?.step ?? 0
    settings = unfinished?.settings ?? null
    return train()
  },
  pause: () => {
    paused = true
    tell({ event: 'phase', phase: 'paused', done: step, total: totalSteps })
  },
  proceed: () => {
    paused = false
  },
  stop: () => {
    unfinished = { ...earlier(), step }
    stopped = true
    paused = false
  },
  predict: ({ text }) => ({ step, labels: [ham(text), { label: 'spam', score: 1 - ham(text).score }] }),
  download: () => ({ name: 'adapter.zip', zip: new Blob(['PK']) }),
  adapter: () => ({ method: 'CONDLORA', labels: ['ham', 'spam'] }),
  addCompared: ({ files }) => {
    const name = files ? files[0].name.replace('.zip', '') : `condlora-step-${step}`
    if (name === 'other') throw new Error('other.zip: tensor <b> is missing')
    compared = [...compared, { name, method: 'CONDLORA', labels: ['ham', 'spam'] }]
    return compared
  },
  removeCompared: ({ name }) => (compared = compared.filter((each) => each.name !== name)),
  compare: ({ text }) =>
    compared.map(({ name }, i) => ({ name, labels: [ham(text), { label: 'spam', score: 1 - ham(text).score }], ms: 3.25 + i })),
  unfinished: () => unfinished,
  discard: () => {
    unfinished = null
  },
  stored: () => kept,
  clear: () => {
    kept = []
  },
}

const ham = (text: string) => ({ label: 'ham', score: /prize|pills/.test(text) ? 0.5 - step / 50 : 0.9 })

/** With `?late`, until a run is under way. */
async function late(): Promise<void> {
  while (scenario.has('late') && step === 0) await new Promise((later) => setTimeout(later, 20))
}

async function train(): Promise<Outcome> {
  paused = stopped = false
  const text = 'condlora, r 8: 20,866 trained'
  tell({ event: 'phase', phase: 'compiling', done: 3, total: 9 })
  tell({ event: 'begin', trained: 20_866, all: 1_370_866, step, totalSteps, memory: 91_000_000, text, labels: ['ham', 'spam'] })
  if (scenario.has('notice')) tell({ event: 'notice', text: 'This page may keep nothing: <i>private window</i>.' })
  while (step < totalSteps && !stopped) {
    await new Promise((later) => setTimeout(later, scenario.has('slow') ? 100 : 20))
    if (paused) continue
    step++
    if (step === 3 && scenario.has('dies')) throwLater(new Error('Out of memory in the worker'))
    if (step === 3 && scenario.has('fails')) throw new Error('step 3: the gradient of classifier.dense.weight is not finite')
    tell({ event: 'phase', phase: 'training', done: step, total: totalSteps })
    tell({ event: 'point', point: point(), secondsLeft: (totalSteps - step) * 0.02 })
    if (step % 5 === 0) tell({ event: 'saved', step })
  }
  const early = scenario.has('early') && !stopped
  if (!stopped) unfinished = null
  return {
    why: stopped ? 'stopped' : early ? 'early stop' : 'done',
    step,
    seconds: 83,
    evalAccuracy: 0.957,
    ...(early ? { bestStep: 15 } : {}),
  }
}

function point(): Extract<Event, { event: 'point' }>['point'] {
  const loss = 0.7 * Math.exp(-step / 8) + 0.04 * Math.sin(step)
  const evaluated = step % 5 === 0 ? { evalLoss: loss + 0.02, evalAccuracy: 1 - loss / 2 } : {}
  return { step, epoch: step / 20, loss, learningRate: settings?.learningRate, samplesPerSecond: 412, ...evaluated }
}

const throwLater = (error: Error) =>
  setTimeout(() => {
    throw error
  })

globalThis.onmessage = async ({ data }: MessageEvent<Request>) => {
  const { id, call, args } = data
  try {
    if (scenario.getAll('refuse').includes(call)) throw new Error(`${call}: row 7 has 3 columns, the first line has 2 <script>`)
    tell({ id, result: await answers[call](args as never) })
  } catch (thrown) {
    tell({ id, failed: { name: (thrown as Error).name, message: (thrown as Error).message } })
  }
}
