import { type Device, DeviceLostError } from '../../../gpu'
import type { Files } from '../../../io'
import { AutoModelForSequenceClassification } from '../../../models/auto'
import { type CallablePeftModel, getPeftModel, PeftModel } from '../../../peft'
import { adapterLabels } from '../../../peft/labels'
import type { Guess, Settings } from '../protocol'
import type { Base } from './base'
import type { Gpu } from './gpu'
import { adapterConfig } from './plan'
import type { Splits } from './rows'

/** The base model with a new adapter, as a run begins with it. */
export async function newModel(device: Device, base: Base, classes: Splits['classes'], settings: Settings): Promise<CallablePeftModel> {
  const { seed } = settings
  // That the head is new is no news.
  const model = await AutoModelForSequenceClassification.fromPretrained(base.files, { device, ...classes, seed, notice: () => {} })
  return getPeftModel(model, adapterConfig(settings, base.info.name), { seed })
}

/** The base model with an adapter that was trained. */
export async function loadedModel(device: Device, base: Base, adapter: Files): Promise<CallablePeftModel> {
  const model = await AutoModelForSequenceClassification.fromPretrained(base.files, {
    device,
    ...(await adapterLabels(adapter)),
    notice: () => {},
  })
  return PeftModel.fromPretrained(model, adapter)
}

/** Gives a model's GPU memory back at once. */
export function free({ base, parameters }: CallablePeftModel): void {
  for (const tensor of [...base.encoder.tensors.values(), ...base.head.tensors.values()]) tensor.dispose()
  parameters.values.dispose()
  parameters.gradients.dispose()
}

/** All classes with their probabilities, the likeliest first. */
export async function guess(model: CallablePeftModel, { tokenizer }: Base, text: string, pair?: string): Promise<Guess['labels']> {
  const [{ scores }] = await model.predict([pair === undefined ? text : [text, pair]], tokenizer)
  const { id2label } = model.base.config
  return scores.map((score, i) => ({ label: id2label[i], score })).sort((a, b) => b.score - a.score)
}

/** A trained model that no run holds any more; where its device is lost it is loaded anew. */
export class Trained {
  constructor(
    private readonly gpu: Gpu,
    readonly base: Base,
    private model: CallablePeftModel,
    /** Its adapter, as it is saved. */
    readonly adapter: Files,
    readonly step: number,
  ) {}

  get method(): string {
    return this.model.peftConfig.peftType
  }

  async guess(text: string, pair?: string): Promise<Guess> {
    const attempt = async () => ({ labels: await guess(this.model, this.base, text, pair), step: this.step })
    return attempt().catch(async (thrown) => {
      if (!(thrown instanceof DeviceLostError)) throw thrown
      this.model = await loadedModel(await this.gpu.device(), this.base, this.adapter)
      return attempt()
    })
  }

  dispose(): void {
    free(this.model)
  }
}
