// A small run of the training page's worker, and what is read of its events.
import type { Event, Settings } from '../../src/app/train/protocol'
import { fixture } from '../harness'
import { tinyFiles, wordTask } from '../tiny'
import type { Given, Stand } from './train_stand'

export const csv = (rows = 68) =>
  `text,label\n${wordTask(rows)
    .rows.map(({ text, label }) => `${text},${label ? 'spam' : 'ham'}`)
    .join('\n')}\n`

/** 61 rows to train on: 16 steps an epoch, 20 in all. */
export const settings: Settings = {
  ...{ text: 'text', label: 'label', method: 'condlora', r: 4, loraAlpha: 8, numTrainEpochs: 1.25, learningRate: 1e-2 },
  ...{ perDeviceTrainBatchSize: 4, maxLength: 32, seed: 7, earlyStoppingPatience: 0 },
}

/** Dropout on: a run that is gone on with must find its place in the random numbers too. */
export async function tiny(): Promise<Given[]> {
  const files = tinyFiles({ hidden_dropout_prob: 0.1 })
  const read = async (name: string, bytes: Promise<Uint8Array>): Promise<Given> => ({
    name,
    base64: Buffer.from(await bytes).toString('base64'),
  })
  const own = ['config.json', 'model.safetensors'].map((name) => read(name, files.read(name)))
  const tokenizer = ['tokenizer.json', 'tokenizer_config.json'].map((name) => read(name, fixture(`models/roberta-mini/${name}`)))
  return Promise.all([...own, ...tokenizer])
}

export async function chooseTiny(stand: Stand): Promise<void> {
  const files = await tiny()
  const list = files.map(({ name }, i) => ({ path: `tiny/${name}`, file: `$${i}` }))
  await stand.callWith('model', JSON.stringify({ base: { from: 'files', name: 'tiny', files: list } }), files)
  await stand.callWith('data', JSON.stringify({ source: { from: 'file', file: '$0' } }), [{ name: 'rows.csv', text: csv() }])
}

export const isPhase = (phase: string) => (e: Event) => e.event === 'phase' && e.phase === phase
export const point = (step: number) => (e: Event) => e.event === 'point' && e.point.step >= step && e.point.loss !== undefined
export const points = (events: Event[]) => events.flatMap((e) => (e.event === 'point' && e.point.loss !== undefined ? [e.point] : []))
export const notices = (events: Event[]) => events.flatMap((e) => (e.event === 'notice' ? [e.text] : []))
