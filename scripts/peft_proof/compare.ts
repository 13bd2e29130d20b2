import { type Files, openSafetensors, readJson, readTensor } from '../../src/io'

/** ‖a − b‖/‖b‖. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} numbers against ${b.length}`)
  let [off, norm] = [0, 0]
  for (let i = 0; i < b.length; i++) {
    off += (a[i] - b[i]) ** 2
    norm += b[i] ** 2
  }
  return Math.sqrt(off) / (Math.sqrt(norm) || 1)
}

// With bias "all" peft writes the head's biases three times.
const again = /\.(original_module|modules_to_save)\./
// Softmax does not feel a key's bias: its gradient is nothing but rounding, which AdamW makes steps of.
const idle = /self\.key\.(base_layer\.)?bias$/

async function tensorsOf(files: Files, file: string) {
  const all = await openSafetensors(files, file)
  return new Map([...all].filter(([name]) => !again.test(name)))
}

/** The largest distance of one tensor in a file of both, and no tensor that only one has. */
export async function tensorDistance(ours: Files, theirs: Files, file: string): Promise<number> {
  const [mine, other] = [await tensorsOf(ours, file), await tensorsOf(theirs, file)]
  const missing = differing([...mine.keys()], [...other.keys()])
  if (missing) throw new Error(missing)
  let [worst, which] = [0, '']
  for (const [name, entry] of other) {
    const own = mine.get(name) as typeof entry
    if (`${own.shape}` !== `${entry.shape}`) throw new Error(`${name}: ours [${own.shape}], theirs [${entry.shape}]`)
    if (idle.test(name)) continue
    const off = distance((await readTensor(own)) as Float32Array, (await readTensor(entry)) as Float32Array)
    if (!(off <= worst)) [worst, which] = [off, name]
  }
  if (!(worst <= 1e-4)) throw new Error(`${which}: ${worst.toExponential(1)}`)
  return worst
}

/** How many things differ between two adapter folders, but for the tensors' values: names, shapes, types, keys of the configuration. */
export async function sameFiles(ours: Files, theirs: Files): Promise<number> {
  const describe = async (files: Files) =>
    [...(await tensorsOf(files, 'adapter_model.safetensors'))].map(([name, { dtype, shape }]) => `${name} ${dtype} [${shape}]`)
  const [mine, other] = [await config(ours), await config(theirs)]
  // peft writes the names that it found, and reads the word as well.
  if (mine.target_modules === 'all-linear') other.target_modules = 'all-linear'
  const texts = (json: Record<string, unknown>) => Object.entries(json).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
  const problems = [differing(await describe(ours), await describe(theirs)), differing(texts(mine), texts(other))].filter(Boolean)
  if (problems.length) throw new Error(problems.join('\n'))
  return 0
}

async function config(files: Files): Promise<Record<string, unknown>> {
  const { peft_version: _, ...json } = await readJson(files, 'adapter_config.json')
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, sorted(value)]))
}

/** Lists are sets in peft, written in any order, and the keys of patterns are sorted when it writes them. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return [...value].sort()
  return value && typeof value === 'object' ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value
}

/** What only one of two lists has, in words. */
function differing(ours: string[], theirs: string[]): string {
  const only = (a: string[], b: string[]) => a.filter((each) => !b.includes(each)).join(', ')
  const [mine, other] = [only(ours, theirs), only(theirs, ours)]
  return [mine && `only ours: ${mine}`, other && `only theirs: ${other}`].filter(Boolean).join('\n')
}
