import * as v from 'valibot'
import { type Files, readJson, sha256, subFolder, validate } from '../io'

/** What a run must know to go on as if it had never stopped. */
const stateSchema = v.object({
  globalStep: v.pipe(v.number(), v.integer(), v.minValue(0)),
  /** Micro-batches so far: the counter of dropout. */
  microSteps: v.pipe(v.number(), v.integer(), v.minValue(0)),
  /** Sum of the losses since the last log line, as the device has it, and its steps. */
  lossSum: v.pipe(v.number(), v.finite()),
  lossSteps: v.pipe(v.number(), v.integer(), v.minValue(0)),
  bestMetric: v.nullable(v.pipe(v.number(), v.finite())),
  /** The step whose evaluation was best. */
  bestStep: v.nullable(v.pipe(v.number(), v.integer())),
  evaluationsSinceBest: v.pipe(v.number(), v.integer(), v.minValue(0)),
  /** The run was stopped before the evaluation that follows this step. */
  evaluationDue: v.boolean(),
  /** Steps that loss scaling left out. */
  leftOut: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  /** Which kernel a product of a shape takes: kernels sum in different orders. */
  kernels: v.optional(v.record(v.string(), v.string()), {}),
  logHistory: v.array(v.record(v.string(), v.nullable(v.pipe(v.number(), v.finite())))),
})

const fileSchema = v.object({
  ...stateSchema.entries,
  /** What the run was made of: compared on resume. */
  fingerprint: v.record(v.string(), v.string()),
  /** SHA-256 of the checkpoint's other files. */
  files: v.record(v.string(), v.string()),
})

export type TrainerState = Omit<v.InferOutput<typeof stateSchema>, 'logHistory'> & { logHistory: Record<string, number>[] }
export type StateFile = TrainerState & Pick<v.InferOutput<typeof fileSchema>, 'fingerprint' | 'files'>

export const stateFile = 'trainer_state.json'

/**
 * Reads trainer_state.json and checks the other files against it.
 * @throws Error naming the file that is missing or damaged
 */
export async function readWhole(files: Files): Promise<StateFile> {
  const read = validate(fileSchema, await readJson(files, stateFile), `${files.name}/${stateFile}`)
  for (const [name, hash] of Object.entries(read.files))
    if ((await sha256(await files.read(name))) !== hash)
      throw new Error(`${files.name}/${name}: the file is not as it was written: go on from another checkpoint`)
  // JSON has no NaN: metrics that were one are null there.
  const logHistory = read.logHistory.map((entry) => Object.fromEntries(Object.entries(entry).map(([key, v]) => [key, v ?? Number.NaN])))
  return { ...read, logHistory }
}

/** The newest whole checkpoint of a run's folder. */
export async function lastCheckpoint(run: Files): Promise<string | undefined> {
  const listed = await run.list().catch(() => [])
  const whole = listed.map((f) => /^checkpoint-(\d+)\/trainer_state\.json$/.exec(f)?.[1]).filter((n) => n !== undefined)
  for (const step of whole.map(Number).sort((a, b) => b - a)) {
    const folder = `checkpoint-${step}`
    if (
      await readWhole(subFolder(run, folder)).then(
        () => true,
        () => false,
      )
    )
      return folder
  }
  return undefined
}

/**
 * Deletes old checkpoints, and what is left of those that were never finished, until `limit` remain. The newest stays, and so does
 * the best, even where the limit is 1. What a kill left half-written beside `newest` goes too.
 */
export async function prune(run: Files, newest: number, best: number | null, limit: number | undefined): Promise<void> {
  if (!run.remove) return
  const listed = await run.list()
  const folder = `checkpoint-${newest}/`
  for (const path of listed.filter((f) => f.startsWith(folder) && f.endsWith('.tmp'))) await run.remove(path)
  if (limit === undefined) return
  const steps = new Set(listed.map((f) => Number(/^checkpoint-(\d+)\//.exec(f)?.[1] ?? Number.NaN)).filter((n) => n < newest))
  const protectsBest = best !== null && best !== newest && steps.delete(best)
  const room = Math.max(0, limit - 1 - Number(protectsBest))
  const old = [...steps].sort((a, b) => b - a).slice(room)
  for (const step of old) {
    const paths = listed.filter((f) => f.startsWith(`checkpoint-${step}/`))
    // Without its state a folder is no checkpoint: that file goes first.
    for (const path of paths.sort((a, b) => Number(b.endsWith(stateFile)) - Number(a.endsWith(stateFile)))) await run.remove(path)
  }
}
