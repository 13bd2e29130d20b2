import { type Files, type NamedTensor, openCheckpoint, readJson, readTensor, writeSafetensors } from '../io'
import type { ParameterSpec } from '../nn/parameters'
import type { Adapter } from './adapter'
import type { ResolvedPeftConfig } from './config'
import { configFromJson, configToJson } from './config_json'
import { nameA, nameB } from './lora'
import { savedModules } from './targets'

const prefix = 'base_model.model.'
const weights = 'adapter_model'

/** Writes an adapter folder; `base` names the model that it is for. The configuration comes last: a folder without one is no adapter. */
export async function writeAdapter(adapter: Adapter, base: string, files: Files, { as }: { as?: 'lora' }): Promise<void> {
  const { peftType, baseModelNameOrPath } = adapter.config
  const own = as === undefined || peftType === 'LORA'
  const tensors = own ? await ownTensors(adapter) : await loraTensors(adapter)
  const config: ResolvedPeftConfig = {
    ...adapter.config,
    peftType: own ? peftType : 'LORA',
    modulesToSave: savedModules(adapter.config),
    baseModelNameOrPath: baseModelNameOrPath ?? base,
  }
  await files.write(`${weights}.safetensors`, writeSafetensors(tensors))
  await files.write('adapter_config.json', new TextEncoder().encode(`${JSON.stringify(configToJson(config), null, 2)}\n`))
}

async function ownTensors({ parameters }: Adapter): Promise<NamedTensor[]> {
  return [...(await parameters.read())].map(([name, t]) => ({ name: prefix + name, ...t }))
}

async function loraTensors({ method, parameters }: Adapter): Promise<NamedTensor[]> {
  const own = new Set(method.parameters.map((p) => p.name))
  const whole = [...(await parameters.read())].filter(([name]) => !own.has(name))
  const factors = await Promise.all(
    method.asLora(parameters).flatMap(({ path, A, B }) =>
      [
        { name: nameA(path), t: A },
        { name: nameB(path), t: B },
      ].map(async ({ name, t }) => ({ name: prefix + name, shape: t.shape, data: await t.data() })),
    ),
  )
  return [...factors, ...whole.map(([name, t]) => ({ name: prefix + name, ...t }))]
}

/** Reads adapter_config.json of an adapter folder. */
export async function readAdapterConfig(files: Files): Promise<ResolvedPeftConfig> {
  return configFromJson(await readJson(files, 'adapter_config.json'), `${files.name}/adapter_config.json`)
}

/**
 * Takes the start values of `specs` from an adapter folder.
 * @throws Error on a missing tensor, a wrong shape, or one that nobody asked for
 */
export async function readAdapterTensors(files: Files, specs: ParameterSpec[]): Promise<ParameterSpec[]> {
  const stored = await openCheckpoint(files, weights)
  const where = `${files.name}/${weights}.safetensors`
  const wanted = new Set(specs.map((s) => prefix + s.name))
  const surplus = [...stored.keys()].filter((name) => !wanted.has(name))
  if (surplus.length)
    throw new Error(
      `${where}: its adapter_config.json does not ask for ${surplus.slice(0, 5).join(', ')}${surplus.length > 5 ? ', …' : ''}`,
    )
  return Promise.all(
    specs.map(async (spec) => {
      const entry = stored.get(prefix + spec.name)
      if (!entry) throw new Error(`${where}: tensor ${prefix}${spec.name} [${spec.shape}] is missing`)
      if (`${entry.shape}` !== `${spec.shape}`)
        throw new Error(`${where}: tensor ${entry.name}: wanted shape [${spec.shape}], got [${entry.shape}]`)
      const data = Float32Array.from(await readTensor(entry))
      return { ...spec, init: () => data }
    }),
  )
}
