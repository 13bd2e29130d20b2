import type { Files, HubOptions } from '../io'
import type { ModelForSequenceClassification } from '../models/sequence_classification'
import { loadPeftModel } from './get_peft_model'
import type { CallablePeftModel } from './model'

export { type PeftConfig, peftConfig } from './config'
export { getPeftModel, trainableParameters } from './get_peft_model'
export type { CallablePeftModel } from './model'
export { countsLine, type ParameterCounts } from './model'

/** PEFT's class of this name: `await PeftModel.fromPretrained(model, 'run/adapter')`. */
export const PeftModel = {
  /**
   * Loads an adapter onto its base model.
   * @param source the adapter's folder, its name on the hub, or its files
   * @param options for the hub: revision, token, cacheDir, localFilesOnly, …
   * @throws Error on a configuration that is not supported, missing tensors or wrong shapes, by name
   */
  fromPretrained(model: ModelForSequenceClassification, source: string | Files, options: HubOptions = {}): Promise<CallablePeftModel> {
    return loadPeftModel(model, source, options)
  },
}
