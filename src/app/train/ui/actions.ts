import { batch } from '@preact/signals'
import type { BaseModel, DataSource, Event, Outcome } from '../protocol'
import { predict } from './ask'
import { client, connect, say, tried } from './calls'
import type { CallError } from './client'
import { examples, guessColumns, methodName, rateFor } from './defaults'
import { percent } from './format'
import { wasLeft } from './left'
import * as state from './state'

let rateChosen = false

/** Starts the worker and fills the page: device, unfinished run, base model, data. */
export async function begin(make: () => Worker): Promise<void> {
  connect(make, hear)
  await open()
}

const lookUnfinished = (left: boolean) =>
  tried('offer', 'unfinished', { left }, (found) => {
    state.unfinished.value = found
  })

/** After the worker died: a new one, with what the visitor had chosen. */
export async function open(): Promise<void> {
  batch(() => {
    state.died.value = ''
    state.deviceless.value = ''
    state.device.value = null
    state.running.value = 'idle'
    state.phase.value = null
    state.modelBusy.value = state.dataBusy.value = false
    state.begun.value = state.adapter.value = null
    state.compared.value = []
    state.troubles.value = {}
  })
  client.restart()
  try {
    state.device.value = await client.call('open', {})
  } catch (thrown) {
    if ((thrown as CallError).name !== 'WorkerGone') state.deviceless.value = (thrown as Error).message
    return
  }
  await lookUnfinished(wasLeft())
  await Promise.all([chooseModel(state.base.value), chooseData(state.source.value), lookStored()])
}

let latestModel = 0

export async function chooseModel(base: BaseModel): Promise<void> {
  const mine = ++latestModel
  batch(() => {
    state.base.value = base
    state.baseFrom.value = base.from
    state.model.value = null
    state.modelBusy.value = true
    state.downloads.value = new Map()
    state.compared.value = []
    forgetRun()
  })
  await tried('model', 'model', { base }, (info) => {
    if (mine !== latestModel) return
    state.model.value = info
    // A run that goes on meanwhile shows its own settings.
    if (!rateChosen && !state.busy.value) state.change({ learningRate: rateFor(info) })
  })
  if (mine === latestModel) state.modelBusy.value = false
  void lookStored()
}

let latestData = 0

export async function chooseData(source: DataSource): Promise<void> {
  const mine = ++latestData
  batch(() => {
    state.source.value = source
    state.sourceFrom.value = source.from
    state.data.value = null
    state.dataBusy.value = true
  })
  await tried('data', 'data', { source }, (info) => {
    if (mine !== latestData) return
    state.data.value = info
    if (!state.busy.value) state.change(guessColumns(info))
    if (source.from === 'file' && examples.includes(state.sentence.value)) state.sentence.value = ''
    if (source.from === 'sample') state.sentence.value ||= examples[0]
  })
  if (mine === latestData) state.dataBusy.value = false
}

export function chooseRate(learningRate: number): void {
  rateChosen = true
  state.change({ learningRate })
}

function forgetRun(): void {
  state.begun.value = state.outcome.value = state.guess.value = state.adapter.value = state.phase.value = state.saved.value = null
  state.resumed.value = null
  state.points.value = []
  state.step.value = 0
  state.secondsLeft.value = null
  state.running.value = 'idle'
}

export async function start(): Promise<void> {
  if (!state.canStart.value) return
  batch(() => {
    forgetRun()
    state.unfinished.value = null
    state.notices.value = []
    state.running.value = 'running'
  })
  say('The run starts.')
  ended(await tried('run', 'start', { settings: state.settings.value }, finish))
}

/** Goes on with the run of an earlier visit. */
export async function resume(perDeviceTrainBatchSize?: number): Promise<void> {
  const run = state.unfinished.value
  if (!run) return
  batch(() => {
    forgetRun()
    state.notices.value = []
    state.settings.value = run.settings
    state.resumed.value = run
    state.step.value = run.step
    state.running.value = 'running'
    state.unfinished.value = null
  })
  say(run.finished ? 'The run is brought back.' : `The run goes on from step ${run.step}.`)
  ended(await tried('run', 'resume', { perDeviceTrainBatchSize }, finish))
}

export const discard = () =>
  tried('offer', 'discard', {}, () => {
    state.unfinished.value = null
    void lookStored()
  })

function finish(outcome: Outcome): void {
  state.outcome.value = outcome
  state.step.value = outcome.step
  const how = { done: 'The run is done', 'early stop': 'The run stopped early', stopped: 'The run is stopped' }[outcome.why]
  say(`${how} at step ${outcome.step}${outcome.evalAccuracy === undefined ? '' : `, accuracy ${percent(outcome.evalAccuracy)}`}.`)
}

function ended(well: boolean): void {
  batch(() => {
    state.running.value = well ? 'ended' : 'idle'
    state.phase.value = null
    state.secondsLeft.value = null
  })
  void lookStored()
  // What was stopped, or failed for want of memory, can be gone on with.
  if (!well || state.outcome.value?.why === 'stopped') void lookUnfinished(well)
  if (well) void predict()
}

export const pause = () =>
  tried('run', 'pause', {}, () => {
    if (state.running.value === 'running') state.running.value = 'paused'
    say('Paused.')
  })

export const proceed = () =>
  tried('run', 'proceed', {}, () => {
    if (state.running.value === 'paused') state.running.value = 'running'
    say('The run goes on.')
  })

export function stop(): Promise<boolean> {
  state.running.value = 'stopping'
  return tried('run', 'stop', {}, () => {})
}

export const download = () =>
  tried('adapter', 'download', {}, ({ name, zip }) => {
    const link = document.createElement('a')
    link.href = URL.createObjectURL(zip)
    link.download = name
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
    say(`${name} is downloaded.`)
  })

export const loadAdapter = (files: readonly File[]) =>
  tried('adapter', 'adapter', { files }, (loaded) => {
    forgetRun()
    state.adapter.value = loaded
    say(`A ${methodName(loaded.method)} adapter is loaded.`)
    void predict()
  })

export const lookStored = () =>
  tried('storage', 'stored', {}, (stored) => {
    state.stored.value = stored
  })

export const clearStored = () =>
  tried('storage', 'clear', {}, () => {
    state.unfinished.value = null
    if (state.base.value.from !== 'embedded') state.model.value = null
    say('The stored files are gone.')
    void lookStored()
  })

/** The doctor's short check, as a text to paste. */
export async function doctor(): Promise<{ ok: boolean; text: string } | null> {
  let report: { ok: boolean; text: string } | null = null
  await tried('device', 'doctor', {}, ({ json, text }) => {
    report = { ok: json.ok, text }
    say(json.ok ? 'Every kernel computes right.' : 'A kernel computes wrong.')
  })
  return report
}

let askedAt = Number.NEGATIVE_INFINITY

function hear(event: Event): void {
  batch(() => {
    switch (event.event) {
      case 'download':
        state.downloads.value = new Map(state.downloads.value).set(event.file, { done: event.done, total: event.total })
        break
      case 'begin':
        state.begun.value = event
        state.step.value = event.step
        break
      case 'phase':
        state.phase.value = event
        break
      case 'point':
        state.points.value = state.withPoint(state.points.value, event.point)
        state.step.value = Math.max(state.step.value, event.point.step)
        state.secondsLeft.value = event.secondsLeft
        if (event.point.evalAccuracy !== undefined) say(`Step ${event.point.step}: accuracy ${percent(event.point.evalAccuracy)}.`)
        break
      case 'saved':
        if (state.saved.value === null) void lookStored()
        state.saved.value = event.step
        break
      case 'recover':
        state.points.value = state.points.value.filter((point) => point.step <= event.step)
        state.step.value = event.step
        note(event.message)
        break
      case 'notice':
        note(event.text)
    }
  })
  // The sentence is asked again as the model learns, seldom enough to cost little.
  if (event.event === 'point' && performance.now() - askedAt > 1500) {
    askedAt = performance.now()
    void predict()
  }
}

const note = (text: string) => {
  if (!state.notices.value.includes(text)) state.notices.value = [...state.notices.value, text]
}
