import { type Files, memoryFiles } from '../../../src/io'
import { AutoModelForSequenceClassification } from '../../../src/models/auto'
import { getPeftModel } from '../../../src/peft'
import { Trainer } from '../../../src/train'
import { fixture, openTestDevice } from '../../harness'
import { miniTokenizer, wordTask } from '../../tiny'

export interface TenSteps {
  adapter: string
  losses: number[]
  gradNorms: number[]
  /** All of adapter_model.safetensors. */
  bytes: number[]
  /** The trained numbers in it. */
  weights: number[]
}

/** Ten steps of CondLoRA on roberta-mini, every dropout on. */
export async function tenSteps(adapter?: string): Promise<TenSteps> {
  const device = await openTestDevice(adapter ? { adapter } : {})
  const base = await AutoModelForSequenceClassification.fromPretrained(await miniWithDropout(), { device, numLabels: 2, notice: () => {} })
  const trainer = new Trainer({
    model: await getPeftModel(base, { peftType: 'CONDLORA', loraDropout: 0.1 }),
    processingClass: await miniTokenizer(),
    trainDataset: wordTask(64),
    args: { perDeviceTrainBatchSize: 8, learningRate: 1e-3, maxSteps: 10, loggingSteps: 1, seed: 11 },
  })
  await trainer.train()
  const files = memoryFiles('adapter')
  await trainer.model.savePretrained(files)
  const steps = trainer.logHistory.filter((entry) => 'loss' in entry)
  return {
    adapter: device.adapterName,
    losses: steps.map(({ loss }) => loss),
    gradNorms: steps.map(({ gradNorm }) => gradNorm),
    bytes: [...(await files.read('adapter_model.safetensors'))],
    weights: [...(await trainer.model.parameters.values.data())],
  }
}

async function miniWithDropout(): Promise<Files> {
  const read = (name: string) => fixture(`models/roberta-mini/${name}`)
  const config = JSON.parse(new TextDecoder().decode(await read('config.json')))
  const on = { hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1, classifier_dropout: 0.1 }
  return memoryFiles('roberta-mini', [
    ['config.json', new TextEncoder().encode(JSON.stringify({ ...config, ...on }))],
    ['model.safetensors', await read('model.safetensors')],
  ])
}
