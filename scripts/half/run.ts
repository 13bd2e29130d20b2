// Half precision on the demo's task: `node dist/scripts/half.js [--full] [--seeds N]` trains LoRA and CondLoRA on the SpamAssassin
// emails with the demo's settings in fp32 and in fp16, and prints what came of it side by side. It wants a device with shader-f16;
// without a GPU: `.ci/lavapipe node dist/scripts/half.js`.
import { parseArgs } from 'node:util'
import { methods, type Settings, settings } from '../../src/demo/settings'
import { loadSpam, type SpamRow } from '../../src/demo/spam'
import { spread, table } from '../../src/demo/table'
import {
  AutoModelForSequenceClassification,
  AutoTokenizer,
  type Dataset,
  type Device,
  getPeftModel,
  openDevice,
  type Tokenizer,
  Trainer,
} from '../../src/index'

const { values } = parseArgs({ options: { full: { type: 'boolean' }, seeds: { type: 'string', default: '1' } } })
const plan = settings(values.full ?? false)

interface Result {
  accuracy: number
  f1: number
  loss: number
  samplesPerSecond: number
  /** Bytes of the model's weights, and of all that training held. */
  weights: number
  all: number
}

const dataset = (rows: SpamRow[]): Dataset => ({ rows, labelNames: ['ham', 'spam'], columns: { text: 'text', label: 'label' } })

async function run(
  name: 'lora' | 'condlora',
  dtype: 'fp32' | 'fp16',
  seed: number,
  { device, tokenizer, train, test }: { device: Device; tokenizer: Tokenizer; train: Dataset; test: Dataset },
): Promise<Result> {
  const live = () => device.memory.stats.liveBytes
  const before = live()
  const options = { device, dtype, id2label: ['ham', 'spam'], seed, notice: () => {} }
  const base = await AutoModelForSequenceClassification.fromPretrained('models/roberta-mini', options)
  const weights = live() - before
  const model = await getPeftModel(base, { peftType: methods[name].peftType }, { seed })
  const trainer = new Trainer({
    model,
    processingClass: tokenizer,
    trainDataset: train,
    evalDataset: test,
    args: argumentsOf(plan, name, seed),
    notice: () => {},
  })
  const { trainSamplesPerSecond: samplesPerSecond } = await trainer.train()
  const all = live() - before
  const { evalAccuracy: accuracy, evalF1: f1, evalLoss: loss } = await trainer.evaluate()
  trainer.dispose()
  return { accuracy, f1, loss, samplesPerSecond, weights, all }
}

const argumentsOf = ({ steps, batch, length, learningRate }: Settings, name: 'lora' | 'condlora', seed: number) => ({
  maxSteps: steps,
  perDeviceTrainBatchSize: batch,
  perDeviceEvalBatchSize: 64,
  learningRate: learningRate[name],
  warmupSteps: Math.max(1, Math.floor(steps / 10)),
  maxLength: length,
  seed,
})

const mean = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1)

const spam = await loadSpam()
const tokenizer = await AutoTokenizer.fromPretrained('models/roberta-mini')
const data = { train: dataset(spam.train), test: dataset(spam.test.slice(0, plan.test)) }
const rows: string[][] = []
for (const name of ['lora', 'condlora'] as const)
  for (const dtype of ['fp32', 'fp16'] as const) {
    const results: Result[] = []
    for (let seed = 0; seed < Number(values.seeds); seed++) {
      // Of its own: what an earlier run holds is not counted here.
      const device = await openDevice({ software: true })
      results.push(await run(name, dtype, seed, { device, tokenizer, ...data }))
      device.destroy()
    }
    const of = (key: keyof Result) => results.map((r) => r[key])
    rows.push([
      `${methods[name].label}, ${dtype}`,
      spread(of('accuracy')),
      spread(of('f1')),
      mean(of('loss')).toFixed(4),
      mean(of('samplesPerSecond')).toFixed(1),
      megabytes(mean(of('weights'))),
      megabytes(mean(of('all'))),
    ])
    console.log(rows.at(-1)?.join('  '))
  }
console.log(
  `\n${plan.steps} steps of ${plan.batch} emails of at most ${plan.length} tokens, ${plan.test} emails to test, ${values.seeds} seed(s)\n`,
)
console.log(table([['', 'accuracy', 'F1', 'test loss', 'samples/s', 'MB of weights', 'MB in training'], ...rows]))
