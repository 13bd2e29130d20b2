import { type Files, type NamedTensor, openSafetensors, readJson, readTensor, writeSafetensors } from '../io'
import type { FlatParameters } from '../nn/parameters'
import type { CallablePeftModel } from '../peft'
import type { AdamW } from './adamw'
import type { Metrics } from './metrics'

/** What a run must know to go on as if it had never stopped. */
export interface TrainerState {
  globalStep: number
  /** Micro-batches so far: the counter of dropout. */
  microSteps: number
  /** Sum of the losses since the last log line, and its steps. */
  lossSum: number
  lossSteps: number
  bestMetric: number | null
  evaluationsSinceBest: number
  logHistory: Metrics[]
}

interface StateFile extends TrainerState {
  /** What the run was made of: compared on resume. */
  fingerprint: Record<string, string>
  /** SHA-256 of the checkpoint's other files. */
  files: Record<string, string>
}

const stateFile = 'trainer_state.json'
const optimizerFile = 'optimizer.safetensors'
const adapterFile = 'adapter_model.safetensors'
const bestFile = 'best_adapter.safetensors'

/** A folder of a larger one. */
export function subFolder(files: Files, folder: string): Files {
  return {
    name: `${files.name}/${folder}`,
    list: async () => (await files.list()).filter((f) => f.startsWith(`${folder}/`)).map((f) => f.slice(folder.length + 1)),
    size: (path) => files.size(`${folder}/${path}`),
    read: (path, start, end) => files.read(`${folder}/${path}`, start, end),
    write: (path, bytes) => files.write(`${folder}/${path}`, bytes),
  }
}

/** Trained tensors as they were best, by name. */
export type Snapshot = Awaited<ReturnType<FlatParameters['read']>>

/**
 * Writes checkpoint-N: the adapter as `savePretrained` does, the optimizer's moments, and last trainer_state.json with
 * the others' hashes, without which the folder counts for nothing.
 */
export async function writeCheckpoint(
  run: Files,
  model: CallablePeftModel,
  optimizer: AdamW,
  state: TrainerState,
  fingerprint: Record<string, string>,
  best: Snapshot | null,
): Promise<string> {
  const folder = `checkpoint-${state.globalStep}`
  const files = subFolder(run, folder)
  await model.savePretrained(files)
  const moments: NamedTensor[] = (await optimizer.read()).map((data, i) => ({ name: momentNames[i], shape: [data.length], data }))
  await files.write(optimizerFile, writeSafetensors(moments))
  if (best) await files.write(bestFile, writeSafetensors([...best].map(([name, t]) => ({ name, ...t }))))
  const hashes: Record<string, string> = {}
  for (const name of [adapterFile, optimizerFile, ...(best ? [bestFile] : [])]) hashes[name] = await sha256(await files.read(name))
  const json: StateFile = { ...state, fingerprint, files: hashes }
  await files.write(stateFile, new TextEncoder().encode(`${JSON.stringify(json, null, 1)}\n`))
  return folder
}

const momentNames = ['exp_avg', 'exp_avg_sq']

/** The newest whole checkpoint of a run's folder. */
export async function lastCheckpoint(run: Files): Promise<string | undefined> {
  const listed = await run.list().catch(() => [])
  const steps = listed
    .map((f) => /^checkpoint-(\d+)\/trainer_state\.json$/.exec(f)?.[1])
    .filter((n) => n !== undefined)
    .map(Number)
    .sort((a, b) => b - a)
  for (const step of steps) if (await isWhole(subFolder(run, `checkpoint-${step}`))) return `checkpoint-${step}`
  return undefined
}

async function isWhole(files: Files): Promise<boolean> {
  try {
    const { files: hashes } = (await readJson(files, stateFile)) as unknown as StateFile
    for (const [name, hash] of Object.entries(hashes)) if ((await sha256(await files.read(name))) !== hash) return false
    return true
  } catch {
    return false
  }
}

/**
 * Puts a checkpoint's numbers back.
 * @throws Error where it belongs to another run: says what differs
 */
export async function readCheckpoint(
  files: Files,
  model: CallablePeftModel,
  optimizer: AdamW,
  fingerprint: Record<string, string>,
): Promise<{ state: TrainerState; best: Snapshot | null }> {
  const { fingerprint: theirs, files: hashes, ...state } = (await readJson(files, stateFile)) as unknown as StateFile
  const differ = Object.keys(fingerprint).filter((key) => fingerprint[key] !== theirs?.[key])
  if (differ.length)
    throw new Error(
      `${files.name} belongs to another run: ${differ.map((key) => `${key} was ${theirs?.[key]}, is ${fingerprint[key]}`).join('; ')}`,
    )
  const stored = await openSafetensors(files, adapterFile)
  for (const [name, tensor] of model.parameters.byName) {
    const entry = stored.get(`base_model.model.${name}`)
    if (!entry) throw new Error(`${files.name}/${adapterFile}: tensor base_model.model.${name} is missing`)
    tensor.write(await readTensor(entry))
  }
  const moments = await openSafetensors(files, optimizerFile)
  const read = async (name: string) => {
    const entry = moments.get(name)
    if (!entry) throw new Error(`${files.name}/${optimizerFile}: tensor ${name} is missing`)
    return Float32Array.from(await readTensor(entry))
  }
  optimizer.write([await read(momentNames[0]), await read(momentNames[1])])
  return { state, best: bestFile in hashes ? await readBest(files) : null }
}

async function readBest(files: Files): Promise<Snapshot> {
  const best: Snapshot = new Map()
  for (const [name, entry] of await openSafetensors(files, bestFile))
    best.set(name, { shape: entry.shape, data: Float32Array.from(await readTensor(entry)) })
  return best
}

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return Array.from(digest, (b) => b.toString(16).padStart(2, '0')).join('')
}
