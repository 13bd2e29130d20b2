import type { Device } from '../gpu'
import { Tensor } from '../graph'
import { inputTensors, type ModelInputs, writeInputs } from '../models/inputs'
import { classify, features, type SequenceClassifier } from '../models/sequence_classification'
import type { Pass } from '../nn/pass'
import type { HostBatch } from './examples'

/** The tensors of batches of one shape, pinned: recordings read them, each step writes them. */
export class Feed {
  readonly labels: Tensor
  readonly #tokens: ModelInputs | null
  readonly #features: Tensor | null

  constructor(
    private readonly model: SequenceClassifier,
    batch: HostBatch,
    /** Whether the tables of embeddings are trained. */
    runs: boolean,
  ) {
    const { device, config } = model
    const zeros = (shape: number[], dtype: 'f32' | 'i32') =>
      Tensor.from(device, new Float32Array(shape.reduce((n, d) => n * d, 1)), shape, dtype)
    this.labels = zeros([batch.size], config.problemType === 'regression' ? 'f32' : 'i32')
    this.#features = 'features' in batch.inputs ? zeros([batch.size, config.hiddenSize], 'f32') : null
    this.#tokens = 'features' in batch.inputs ? null : inputTensors(device, batch.size, batch.inputs.length, { runs })
  }

  get device(): Device {
    return this.model.device
  }

  write({ inputs, labels }: HostBatch): void {
    if ('features' in inputs) this.#features?.write(inputs.features)
    else if (this.#tokens) writeInputs(this.#tokens, inputs)
    this.labels.write(labels)
  }

  logits(pass: Pass): Tensor {
    return this.#tokens ? classify(this.model, this.#tokens, pass) : this.model.head.forward(this.#features as Tensor, pass)
  }

  /** The head's input [batch, hidden]. */
  features(pass: Pass): Tensor {
    return this.#tokens ? features(this.model, this.#tokens, pass) : (this.#features as Tensor)
  }

  dispose(): void {
    const { runs, ...tokens } = this.#tokens ?? {}
    const tensors = [...Object.values<Tensor>(tokens), ...Object.values(runs ?? {}).flatMap(({ runs: r, order }) => [r, order])]
    for (const t of [this.labels, this.#features, ...tensors]) t?.dispose()
  }
}
