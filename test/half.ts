// Models of half floats without the check that the device computes with them: any device holds them.
import type { Device } from '../src/gpu'
import { type Files, openCheckpoint, readJson } from '../src/io'
import { type CallableModel, callable } from '../src/models/auto'
import { encoderConfig } from '../src/models/config'
import { loadHalf } from '../src/models/half'
import type { TokenBatch } from '../src/models/inputs'
import { metaModel } from '../src/models/meta'
import type { ModelForSequenceClassification } from '../src/models/sequence_classification'
import { loadWeights, planWeights } from '../src/models/weights'

export async function holdHalf(
  files: Files,
  device: Device,
): Promise<{ model: CallableModel<ModelForSequenceClassification>; kept: string[] }> {
  const config = encoderConfig(await readJson(files, 'config.json'), files.name)
  const plan = planWeights(metaModel(config), await openCheckpoint(files), { file: files.name })
  const { model, kept } = await loadHalf(device, config, files.name, (made, watch) => loadWeights(made, plan, 42, { watch }))
  return { model: callable(model, (tokens: TokenBatch) => model.logits(tokens)), kept }
}
