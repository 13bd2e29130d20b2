import type { Device } from '../gpu'
import { type FloatDType, noGrad, Tensor } from '../graph'
import { type Files, openFolder } from '../io'
import type { FloatType } from '../io/safetensors_write'
import { Linear } from '../nn/linear'
import { Pass } from '../nn/pass'
import { crossEntropy } from '../ops/cross_entropy'
import { firstToken } from '../ops/first_token'
import { mse } from '../ops/mse'
import { tanh } from '../ops/tanh'
import type { EncoderConfig } from './config'
import { Encoder } from './encoder'
import { hostInputs, inputTensors, type ModelInputs, type TokenBatch, writeInputs } from './inputs'

/** transformers.js' names: `fp16` has frozen weights and activations as half floats, all that is trained as f32. */
export type ModelDType = 'fp32' | 'fp16'

/** An encoder with transformers' classification head; RoBERTa's and BERT's heads are two small classes below. */
export interface SequenceClassifier {
  readonly device: Device
  readonly config: EncoderConfig
  readonly encoder: Encoder
  readonly head: ClassificationHead
}

/** What turns hidden states into logits. */
export interface ClassificationHead {
  /** Layers trained and saved with an adapter, by module path. */
  readonly trained: Linear[]
  /** All of its linear layers. */
  readonly linears: Linear[]
  /** Every tensor by checkpoint name. */
  readonly tensors: Map<string, Tensor>
  /** Logits [batch, numLabels] from the first token's hidden state [batch, hidden]. */
  forward(first: Tensor, pass: Pass): Tensor
}

/** RobertaClassificationHead: dropout, dense, tanh, dropout, out_proj. */
class RobertaHead implements ClassificationHead {
  readonly trained: Linear[]
  readonly linears: Linear[]
  readonly tensors: Map<string, Tensor>

  constructor(
    device: Device,
    private readonly config: EncoderConfig,
    dense?: Linear,
  ) {
    const { hiddenSize: h, numLabels } = config
    this.trained = [dense ?? newLinear(device, 'classifier.dense', h, h), newLinear(device, 'classifier.out_proj', numLabels, h)]
    this.linears = this.trained
    this.tensors = tensorsOf(this.linears)
  }

  forward(first: Tensor, pass: Pass): Tensor {
    const [dense, outProj] = this.trained
    const x = tanh(dense.forward(pass.dropout(first, this.config.classifierDropout), pass))
    return outProj.forward(pass.dropout(x, this.config.classifierDropout), pass)
  }
}

/** BERT: pooler (dense, tanh), dropout, classifier. The pooler is pretrained; PEFT trains the classifier alone. */
class BertHead implements ClassificationHead {
  readonly trained: Linear[]
  readonly linears: Linear[]
  readonly tensors: Map<string, Tensor>
  readonly #pooler: Linear

  constructor(
    device: Device,
    private readonly config: EncoderConfig,
    pooler?: Linear,
  ) {
    const { hiddenSize: h, numLabels } = config
    this.#pooler = pooler ?? newLinear(device, 'bert.pooler.dense', h, h)
    this.trained = [newLinear(device, 'classifier', numLabels, h)]
    this.linears = [this.#pooler, ...this.trained]
    this.tensors = tensorsOf(this.linears)
  }

  forward(first: Tensor, pass: Pass): Tensor {
    const pooled = tanh(this.#pooler.forward(first, pass))
    return this.trained[0].forward(pass.dropout(pooled, this.config.classifierDropout), pass)
  }
}

function newLinear(device: Device, name: string, outputs: number, inputs: number): Linear {
  const tensor = (shape: number[]) =>
    new Tensor(
      device,
      device.allocatePinned(
        shape.reduce((n, d) => n * d, 4),
        name,
      ),
      shape,
    )
  return new Linear(name, tensor([outputs, inputs]), tensor([outputs]))
}

function tensorsOf(layers: Linear[]): Map<string, Tensor> {
  return new Map(
    layers.flatMap((layer): [string, Tensor][] => [
      [`${layer.name}.weight`, layer.weight],
      [`${layer.name}.bias`, layer.bias],
    ]),
  )
}

/** Logits [batch, numLabels] of a batch on the GPU; `features` gives the head's input for later use. */
export function classify(model: SequenceClassifier, inputs: ModelInputs, pass: Pass): Tensor {
  return model.head.forward(features(model, inputs, pass), pass)
}

/** The first token's last hidden state, [batch, hidden]. */
export function features(model: SequenceClassifier, inputs: ModelInputs, pass: Pass): Tensor {
  return firstToken(model.encoder.forward(inputs, pass))
}

/** transformers' loss: cross-entropy, or mean squared error where there is one label. */
export function classificationLoss(config: EncoderConfig, logits: Tensor, labels: Tensor): Tensor {
  return config.problemType === 'regression' ? mse(logits, labels) : crossEntropy(logits, labels)
}

/** `RobertaForSequenceClassification` and `BertForSequenceClassification`: call it with token ids. */
export class ModelForSequenceClassification implements SequenceClassifier {
  readonly encoder: Encoder
  readonly head: ClassificationHead
  /** Checksum of all weights as they were loaded; empty where none were. */
  digest = ''
  /** The same of the encoder alone, which does not hang on the head that was drawn. */
  encoderDigest = ''
  /** How the checkpoint stores the encoder. */
  storedType: FloatType = 'F32'
  /** How the frozen weights lie on the device. */
  readonly dtype: ModelDType

  constructor(
    readonly device: Device,
    readonly config: EncoderConfig,
    /** Folder or hub id that the weights came from. */
    readonly nameOrPath: string,
    /** Shares the weights of this model; only an output layer for another number of labels is its own. */
    of?: ModelForSequenceClassification,
    /** For `fp16`: of each group of frozen weights. */
    dtypeOf?: (group: string) => FloatDType,
  ) {
    this.dtype = of?.dtype ?? (dtypeOf ? 'fp16' : 'fp32')
    this.encoder = of?.encoder ?? new Encoder(device, config, config.modelType, dtypeOf)
    const Head = config.modelType === 'roberta' ? RobertaHead : BertHead
    this.head = of && of.config.numLabels === config.numLabels ? of.head : new Head(device, config, of?.head.linears[0])
    if (of) Object.assign(this, { digest: of.digest, encoderDigest: of.encoderDigest, storedType: of.storedType })
  }

  /** Logits for a batch of token ids, without dropout. */
  async logits(tokens: TokenBatch, pass: () => Pass = () => new Pass()): Promise<Tensor> {
    const host = hostInputs(tokens, this.config)
    const inputs = inputTensors(this.device, host.batch, host.length)
    writeInputs(inputs, host)
    return noGrad(() => classify(this, inputs, pass()))
  }

  /**
   * Writes config.json and model.safetensors (transformers' names, the checkpoint's type), which transformers loads.
   * @param target a folder, or its files
   */
  async savePretrained(target: string | Files): Promise<void> {
    const { writeModel } = await import('./save')
    await writeModel(this, typeof target === 'string' ? openFolder(target) : target)
  }

  /** Number of all weights, head included. */
  get parameterCount(): number {
    let count = 0
    for (const t of [...this.encoder.tensors.values(), ...this.head.tensors.values()]) count += t.size
    return count
  }
}
