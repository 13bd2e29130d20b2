import { existsSync } from 'node:fs'
import * as v from 'valibot'
import { openFolder, readJson, validate } from '../../io'
import { deviceFlags, type Settings } from '../flags'
import type { RunFolder } from '../run_folder'

const numbers = v.record(v.string(), v.nullable(v.number()))

const schema = v.object({
  /** What it was made with. */
  settings: v.record(v.string(), v.unknown()),
  /** On the validation rows. null: the run could not go on. */
  validation: v.nullable(numbers),
  /** Of a seed. */
  test: v.optional(numbers),
  steps: v.number(),
  /** All that the run took, its start and evaluations too. */
  seconds: v.number(),
  samplesPerSecond: v.nullable(v.number()),
  parameters: v.nullable(v.object({ adapter: v.number(), head: v.number(), all: v.number() })),
  device: v.nullable(v.string()),
})

/** result.json: a run's last file, whole or not there. */
export type RunResult = v.InferOutput<typeof schema>

const file = 'result.json'

/**
 * undefined where the run has not ended yet.
 * @throws Error where it was made with other settings
 */
export async function readResult(run: RunFolder, wanted: Settings): Promise<RunResult | undefined> {
  if (!existsSync(run.path(file))) return
  const result = validate(schema, await readJson(openFolder(run.folder), file), run.path(file))
  const [was, is] = [identity(result.settings), identity({ ...wanted })]
  const key = Object.keys({ ...was, ...is }).find((each) => was[each] !== is[each])
  if (key)
    throw new Error(
      `${run.folder}: was made with ${key} ${was[key] ?? 'unset'}, wanted ${is[key] ?? 'unset'}: choose another --output, or remove it`,
    )
  return result
}

export async function writeResult(run: RunFolder, result: RunResult): Promise<void> {
  await openFolder(run.folder).write(file, new TextEncoder().encode(`${JSON.stringify(result, null, 1)}\n`))
}

/** What makes the numbers, as text: not where they go, nor what computes them. */
function identity(settings: Record<string, unknown>): Record<string, string> {
  const others = ['output', 'labels', 'numLabels', ...Object.keys(deviceFlags)]
  return Object.fromEntries(
    Object.entries(settings)
      .filter(([key, value]) => value !== undefined && !others.includes(key))
      .map(([key, value]) => [key, JSON.stringify(value)]),
  )
}
