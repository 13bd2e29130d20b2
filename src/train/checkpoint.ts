import { type Files, openSafetensors, readTensor, sha256, subFolder, type TensorEntry } from '../io'
import { type NamedTensor, writeSafetensors } from '../io/safetensors_write'
import type { FlatParameters } from '../nn/parameters'
import { keyOf } from '../peft/adapter_file'
import type { Engine } from './engine'
import { readWhole, type StateFile, stateFile, type TrainerState } from './run_folder'

export { lastCheckpoint, prune } from './run_folder'

const optimizerFile = 'optimizer.safetensors'
const adapterFile = 'adapter_model.safetensors'
const bestFile = 'best_adapter.safetensors'
const momentNames = ['exp_avg', 'exp_avg_sq']
const scaleName = 'loss_scale'

/** Trained tensors as they were at some moment, by name. */
export type Snapshot = Awaited<ReturnType<FlatParameters['read']>>

/**
 * Writes checkpoint-N: the adapter as `savePretrained` does, the optimizer's moments, and last trainer_state.json with
 * the others' hashes, without which the folder counts for nothing.
 * @throws Error before anything is written where a number is not finite
 */
export async function writeCheckpoint(
  run: Files,
  { model, optimizer }: Engine,
  state: TrainerState,
  fingerprint: Record<string, string>,
  best: Snapshot | null,
): Promise<string> {
  const folder = `checkpoint-${state.globalStep}`
  const moments = (await optimizer.read()).map((data, i): NamedTensor => ({ name: momentNames[i], shape: [data.length], data }))
  const { scale } = optimizer
  if (scale) moments.push({ name: scaleName, shape: scale.shape, data: await scale.data() })
  const trained = [...(await model.parameters.read())].map(([name, t]) => ({ name, ...t }))
  checkFinite([...trained, ...moments], `${run.name}/${folder}`)
  const { files, hashes } = hashed(subFolder(run, folder))
  await model.savePretrained(files)
  await files.write(optimizerFile, writeSafetensors(moments))
  if (best) await files.write(bestFile, writeSafetensors([...best].map(([name, t]) => ({ name, ...t }))))
  const json: StateFile = { ...state, fingerprint, files: { ...hashes } }
  await files.write(stateFile, new TextEncoder().encode(`${JSON.stringify(json, null, 1)}\n`))
  return folder
}

function checkFinite(tensors: NamedTensor[], where: string): void {
  for (const { name, data } of tensors) {
    const bad = data.findIndex((v) => !Number.isFinite(v))
    if (bad >= 0) throw new Error(`${where}: ${name}: number ${bad} is ${data[bad]}: nothing was written. Try a smaller learningRate`)
  }
}

/** The files, and the hash of each that is written. */
function hashed(files: Files): { files: Files; hashes: Record<string, string> } {
  const hashes: Record<string, string> = {}
  const write = async (path: string, bytes: Parameters<Files['write']>[1]) => {
    if (bytes instanceof Uint8Array) hashes[path] = await sha256(bytes as Uint8Array<ArrayBuffer>)
    await files.write(path, bytes)
  }
  return { files: { ...files, write }, hashes }
}

/**
 * Puts a checkpoint's numbers back.
 * @throws Error where it is damaged or belongs to another run: says what differs
 */
export async function readCheckpoint(
  files: Files,
  { model, optimizer }: Engine,
  fingerprint: Record<string, string>,
  notice: (text: string) => void,
): Promise<{ state: TrainerState; best: Snapshot | null }> {
  const { fingerprint: theirs, files: hashes, ...state } = await readWhole(files)
  compare(files.name, { dtype: 'fp32', ...theirs }, fingerprint, notice)
  const stored = await openSafetensors(files, adapterFile)
  const loaded: [(data: Float32Array) => void, Float32Array][] = []
  for (const [name, tensor] of model.parameters.byName)
    loaded.push([(data) => tensor.write(data), await load(stored, keyOf(name), tensor.size, `${files.name}/${adapterFile}`)])
  const opened = await openSafetensors(files, optimizerFile)
  const size = optimizer.groups.reduce((n, g) => n + g.count, 0)
  const moments = await Promise.all(momentNames.map((name) => load(opened, name, size, `${files.name}/${optimizerFile}`)))
  const { scale } = optimizer
  if (scale) loaded.push([(data) => scale.write(data), await load(opened, scaleName, scale.size, `${files.name}/${optimizerFile}`)])
  const best = Object.hasOwn(hashes, bestFile) ? await readBest(files) : null
  // All was read: only now is anything changed.
  for (const [write, data] of loaded) write(data)
  optimizer.write([moments[0], moments[1]])
  return { state, best }
}

const [rows, parts] = ['perDeviceTrainBatchSize', 'gradientAccumulationSteps']

/** @throws Error where a checkpoint is not of this run */
function compare(name: string, theirs: Record<string, string>, ours: Record<string, string>, notice: (text: string) => void): void {
  const keys = new Set([...Object.keys(theirs), ...Object.keys(ours)])
  const differ = [...keys].filter((key) => ours[key] !== theirs[key])
  if (!differ.length) return
  const changes = differ.map((key) => `${key} was ${theirs[key]}, is ${ours[key]}`).join('; ')
  // Memory ran out: the same examples in smaller parts are the same run, but for the order of sums and the dropout.
  const examples = (print: Record<string, string>) => Number(print[rows]) * Number(print[parts])
  if (differ.every((key) => key === rows || key === parts) && examples(theirs) === examples(ours))
    return notice(`going on from ${name} with the same steps in other parts (${changes}): the numbers differ in their last bits`)
  throw new Error(
    `${name} belongs to another run: ${changes}. Go on with what it was made with, or train from the start in another outputDir`,
  )
}

async function load(stored: Map<string, TensorEntry>, name: string, size: number, where: string): Promise<Float32Array> {
  const entry = stored.get(name)
  if (!entry) throw new Error(`${where}: tensor ${name} is missing`)
  const data = Float32Array.from(await readTensor(entry))
  if (data.length !== size) throw new Error(`${where}: tensor ${name}: wanted ${size} numbers, got ${data.length}`)
  return data
}

async function readBest(files: Files): Promise<Snapshot> {
  const best: Snapshot = new Map()
  for (const [name, entry] of await openSafetensors(files, bestFile))
    best.set(name, { shape: entry.shape, data: Float32Array.from(await readTensor(entry)) })
  return best
}
