import { type Files, openCheckpoint, readJson, readTensor, validate } from '../io'
import { type NamedTensor, writeSafetensors } from '../io/safetensors_write'
import type { ModelForSequenceClassification } from '../models/sequence_classification'
import type { Adapter } from './adapter'
import { authorsTensors, authorsType, fromAuthors } from './authors'
import { targeting } from './config'
import { configFromJson, configToJson } from './config_json'
import { writeLabels } from './labels'
import { loraSchema, nameA, nameB } from './lora'
import type { LowRankFactors, Start } from './method'
import type { PeftConfig, ResolvedPeftConfig } from './methods'
import { savedModules } from './saved_modules'

const weights = 'adapter_model'

/** PEFT's key of a tensor in the file; what all layers share has no path. */
export const keyOf = (name: string) => (name.includes('.') ? `base_model.model.${name}` : `base_model.${name}`)

/** Writes an adapter folder for the model `base`. The configuration comes last: a folder without one is no adapter. */
export async function writeAdapter(
  adapter: Adapter,
  base: Pick<ModelForSequenceClassification, 'nameOrPath' | 'config'>,
  files: Files,
  { as }: { as?: 'lora' },
): Promise<void> {
  // What PEFT reads on the base as it is needs no other form.
  const plain = adapter.config.peftType === 'LORA' && !adapter.method.replaced
  const { config, tensors } = as === undefined || plain ? await own(adapter) : await plainLora(adapter)
  config.modulesToSave = savedModules(config)
  config.baseModelNameOrPath ??= base.nameOrPath
  await files.write(`${weights}.safetensors`, writeSafetensors(tensors))
  await writeLabels(files, base.config)
  await files.write('adapter_config.json', new TextEncoder().encode(`${JSON.stringify(await configToJson(config), null, 2)}\n`))
}

interface Contents {
  config: ResolvedPeftConfig
  tensors: NamedTensor[]
}

async function own({ config, parameters }: Adapter): Promise<Contents> {
  return { config: { ...config }, tensors: [...(await parameters.read())].map(([name, t]) => ({ name: keyOf(name), ...t })) }
}

async function plainLora({ config, method, parameters }: Adapter): Promise<Contents> {
  const found = await method.asLora?.(parameters)
  if (!found?.length) throw new Error(`savePretrained: the method ${config.peftType} cannot be written as LoRA`)
  const mine = new Set(method.parameters.map((p) => p.name))
  const whole = [...(await parameters.read())].filter(([name]) => !mine.has(name))
  const factors = found.flatMap(({ path, A, B }) => [
    { name: nameA(path), t: A },
    { name: nameB(path), t: B },
  ])
  const tensors = factors.map(async ({ name, t }) => ({ name: keyOf(name), shape: t.shape, data: await t.data() }))
  return {
    config: loraConfig(config, found),
    tensors: [...(await Promise.all(tensors)), ...whole.map(([name, t]) => ({ name: keyOf(name), ...t }))],
  }
}

/** The configuration under which PEFT finds these factors; ranks and scales that differ are told layer by layer. */
function loraConfig(config: ResolvedPeftConfig, factors: LowRankFactors[]): ResolvedPeftConfig {
  const all = factors.map(({ path, A, scaling }) => ({ path, r: A.shape[0], alpha: scaling * A.shape[0] }))
  const [{ r, alpha }] = all
  const others = <K extends 'r' | 'alpha'>(key: K, usual: number) =>
    Object.fromEntries(all.filter((each) => each[key] !== usual).map((each) => [each.path, each[key]]))
  const known = Object.entries(config).filter(([key]) => key in targeting || key === 'loraDropout')
  const full = validate(
    loraSchema,
    { ...Object.fromEntries(known), r, loraAlpha: alpha, rankPattern: others('r', r), alphaPattern: others('alpha', alpha) },
    'as lora',
  )
  return { peftType: 'LORA', ...full }
}

/** Reads adapter_config.json of an adapter folder; `changes` win. */
export async function readAdapterConfig(files: Files, changes: Partial<PeftConfig>): Promise<ResolvedPeftConfig> {
  const file = `${files.name}/adapter_config.json`
  const json = await readJson(files, 'adapter_config.json')
  return configFromJson(json.peft_type === authorsType ? fromAuthors(json, file) : json, file, changes)
}

/**
 * Takes the start values of `specs` from an adapter folder.
 * @throws Error on a missing tensor, a wrong shape, or one that nobody asked for
 */
export async function readAdapterTensors(files: Files, specs: Start[]): Promise<Start[]> {
  const names = specs.map(({ name }) => keyOf(name))
  const stored = authorsTensors(await openCheckpoint(files, weights), names)
  const where = `${files.name}/${weights}.safetensors`
  const wanted = new Set(names)
  // With bias "all" PEFT writes the head's biases three times.
  const again = /\.(original_module|modules_to_save)\./
  const surplus = [...stored.keys()].filter((name) => !wanted.has(name) && !again.test(name))
  if (surplus.length)
    throw new Error(
      `${where}: its adapter_config.json does not ask for ${surplus.slice(0, 5).join(', ')}${surplus.length > 5 ? ', …' : ''}`,
    )
  return Promise.all(
    specs.map(async (spec) => {
      const entry = stored.get(keyOf(spec.name))
      if (!entry) throw new Error(`${where}: tensor ${keyOf(spec.name)} [${spec.shape}] is missing`)
      if (`${entry.shape}` !== `${spec.shape}`)
        throw new Error(`${where}: tensor ${entry.name}: wanted shape [${spec.shape}], got [${entry.shape}]`)
      const data = Float32Array.from(await readTensor(entry))
      return { ...spec, init: () => data }
    }),
  )
}
