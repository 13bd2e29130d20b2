import type { Device } from '../gpu'
import type { Tensor } from '../graph'
import { type Files, type HubOptions, openCheckpoint, openSource, readJson } from '../io'
import { encoderConfig } from './config'
import type { TokenBatch } from './inputs'
import { metaModel } from './meta'
import { type ModelDType, ModelForSequenceClassification } from './sequence_classification'
import { loadWeights, planWeights } from './weights'

export interface FromPretrainedOptions extends HubOptions {
  device: Device
  /** Size of the output layer; 1 means regression. Default: the file's, else 2. */
  numLabels?: number
  id2label?: string[]
  /**
   * `fp16`: frozen weights (tables of embeddings, matrices of the encoder) and activations as half floats, which takes half their
   * memory and wants a device with `shader-f16`; sums, gradients and all that is trained are f32. Default `fp32`.
   */
  dtype?: ModelDType
  /** For a head that the file does not have. Default 42. */
  seed?: number
  /** Gets one notice about unused and newly drawn tensors, and what the hub has to say. Default: console.warn. */
  notice?: (text: string) => void
}

/** A model that can be called: `await model({ inputIds, attentionMask })` gives logits [batch, numLabels]. */
export type CallableModel<M> = M & ((tokens: TokenBatch) => Promise<Tensor>)

/** Loads encoders with a classification head (transformers' name): RoBERTa and BERT. */
export const AutoModelForSequenceClassification = {
  /**
   * @param source a Hugging Face folder (config.json, model.safetensors or its shards; f32, f16, bf16), a name on the
   *   hub, or the files themselves
   * @throws Error on an unknown architecture, a missing backbone tensor or a wrong shape: name, wanted, got; on `fp16` where the
   *   device has no `shader-f16`
   */
  async fromPretrained(source: string | Files, options: FromPretrainedOptions): Promise<CallableModel<ModelForSequenceClassification>> {
    const { device, dtype = 'fp32', seed = 42 } = options
    const half = dtype === 'fp32' ? null : await import('./half')
    half?.checkHalf(dtype, device)
    const files = await openSource(source, options)
    const config = encoderConfig(await readJson(files, 'config.json'), `${files.name}/config.json`, options)
    const checkpoint = await openCheckpoint(files)
    const newLabels = options.numLabels !== undefined || options.id2label !== undefined
    const plan = planWeights(metaModel(config), checkpoint, { file: files.name, newLabels })
    const { model, kept = [] } = half
      ? await half.loadHalf(device, config, files.name, (made, watch) => loadWeights(made, plan, seed, { watch }))
      : { model: new ModelForSequenceClassification(device, config, files.name) }
    if (!half) await loadWeights(model, plan, seed)
    const { unused, drawn } = plan
    const parts = [
      ...kept,
      unused.length ? `not used: ${unused.join(', ')}` : '',
      drawn.length ? `newly drawn (train them before you use them): ${drawn.join(', ')}` : '',
    ].filter(Boolean)
    if (parts.length) (options.notice ?? console.warn)(`${files.name}: ${parts.join('; ')}`)
    return callable(model, (tokens: TokenBatch) => model.logits(tokens))
  },
}

/** Makes an object that can also be called. */
export function callable<M extends object, F extends (...args: never[]) => unknown>(model: M, call: F): M & F {
  // Not `call` itself: what it has of its own would be found in the object.
  const target = (...args: Parameters<F>) => call(...args)
  return new Proxy(target, {
    get: (_, key) => {
      const value = Reflect.get(model, key, model)
      // Methods need their object; a property that can itself be called stays what it is.
      return typeof value === 'function' && !Object.hasOwn(model, key) ? value.bind(model) : value
    },
    set: (_, key, value) => Reflect.set(model, key, value, model),
    has: (_, key) => key in model,
    getPrototypeOf: () => Object.getPrototypeOf(model),
  }) as unknown as M & F
}
