// `npm start`: roberta-mini learns to tell spam from ham with its head alone, with LoRA and with CondLoRA.
import { statSync } from 'node:fs'
import { parseArgs } from 'node:util'
import {
  AutoModelForSequenceClassification,
  AutoTokenizer,
  type CallablePeftModel,
  type Dataset,
  type Device,
  getPeftModel,
  openDevice,
  PeftModel,
  type Tokenizer,
  Trainer,
} from '../index'
import { progress } from './progress'
import { type MethodName, methods, type Settings, settings } from './settings'
import { loadSpam } from './spam'
import { spread, table } from './table'

const sentences = [
  'Congratulations! You have been selected to receive a FREE prize. Click here to claim your money now.',
  'Hi, the patch fixes the build on Debian here. Could you review it before the release on Friday?',
  'Lose weight fast with our amazing new pills, satisfaction guaranteed or your money back!!!',
]

interface Result {
  accuracy: number
  f1: number
  seconds: number
  samplesPerSecond: number
  trained: number
  bytes: number
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { full: { type: 'boolean' }, seeds: { type: 'string', default: '1' }, out: { type: 'string', default: 'run' } },
  })
  const begun = performance.now()
  const plan = settings(values.full ?? false)
  const seeds = Number(values.seeds)
  if (!Number.isInteger(seeds) || seeds < 1) throw new Error(`--seeds: wanted a whole number above 0, got ${values.seeds}`)
  const device = await openDevice({ software: true })
  const spam = await loadSpam()
  const tokenizer = await AutoTokenizer.fromPretrained('models/roberta-mini')
  const data = { train: dataset(spam.train), test: dataset(spam.test.slice(0, plan.test)) }
  console.log(
    `roberta-mini learns spam from ham: ${plan.steps} steps of ${plan.batch} emails, ${plan.length} tokens each, ${seeds} seed(s); ${plan.test} test emails\n`,
  )
  const results = new Map<MethodName, Result[]>()
  for (const name of Object.keys(methods) as MethodName[])
    for (let seed = 0; seed < seeds; seed++)
      results.set(name, [...(results.get(name) ?? []), await run(name, seed, plan, device, tokenizer, data, `${values.out}/${name}`)])
  console.log(`\n${report(results, plan)}\n`)
  await classify(device, tokenizer, `${values.out}/condlora`)
  console.log(`\nadapters: ${values.out}/{${[...results.keys()].join(',')}}   ${((performance.now() - begun) / 1000).toFixed(0)} s in all`)
}

function dataset(rows: { text: string; label: number }[]): Dataset {
  return { rows, labelNames: ['ham', 'spam'], columns: { text: 'text', label: 'label' } }
}

function loadBase(device: Device, seed: number) {
  return AutoModelForSequenceClassification.fromPretrained('models/roberta-mini', {
    device,
    id2label: ['ham', 'spam'],
    seed,
    notice: () => {}, // that the head is new is what this demo is about
  })
}

async function run(
  name: MethodName,
  seed: number,
  plan: Settings,
  device: Device,
  tokenizer: Tokenizer,
  data: { train: Dataset; test: Dataset },
  folder: string,
): Promise<Result> {
  const { label, peftType } = methods[name]
  const model = await getPeftModel(await loadBase(device, seed), { peftType }, { seed })
  model.printTrainableParameters((line) => console.log(`${label}: ${line}`))
  const trainer = new Trainer({
    model,
    processingClass: tokenizer,
    trainDataset: data.train,
    evalDataset: data.test,
    args: {
      maxSteps: plan.steps,
      perDeviceTrainBatchSize: plan.batch,
      perDeviceEvalBatchSize: 64,
      learningRate: plan.learningRate[name],
      warmupSteps: Math.max(1, Math.floor(plan.steps / 10)),
      maxLength: plan.length,
      loggingSteps: 2,
      seed,
    },
    notice: () => {},
  })
  const start = performance.now()
  const { trainSamplesPerSecond } = await withProgress(trainer, plan)
  const metrics = await trainer.evaluate()
  trainer.dispose()
  await model.savePretrained(folder)
  if (peftType === 'CONDLORA') await model.savePretrained(`${folder}-as-lora`, { as: 'lora' })
  return {
    accuracy: metrics.evalAccuracy,
    f1: metrics.evalF1,
    seconds: (performance.now() - start) / 1000,
    samplesPerSecond: trainSamplesPerSecond,
    trained: model.parameters.count,
    bytes: statSync(`${folder}/adapter_model.safetensors`).size,
  }
}

async function withProgress(trainer: Trainer, plan: Settings) {
  const bars = new Map<string, ReturnType<typeof progress>>()
  const bar = (label: string, total: number) => {
    const made = bars.get(label) ?? progress(label, total)
    bars.set(label, made)
    return made
  }
  trainer.on('log', ({ step, loss }) => {
    const made = bar('training', plan.steps)
    made.update(step, `loss ${loss.toFixed(3)}`)
    if (step === plan.steps) made.end()
  })
  trainer.on('progress', ({ task, done, total }) => {
    if (task === 'compile') return // a second, and its total grows
    const made = bar(`${task} ${total}`, total)
    made.update(done, '')
    if (done === total) made.end()
  })
  return trainer.train()
}

function report(results: Map<MethodName, Result[]>, { pytorch }: Settings): string {
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length
  const rows = [...results].map(([name, all]) => [
    methods[name].label,
    all[0].trained.toLocaleString('en-US'),
    spread(all.map((r) => r.accuracy)),
    pytorch[name].accuracy.toFixed(3),
    spread(all.map((r) => r.f1)),
    pytorch[name].f1.toFixed(3),
    mean(all.map((r) => r.samplesPerSecond)).toFixed(1),
    mean(all.map((r) => r.seconds)).toFixed(1),
    all[0].bytes.toLocaleString('en-US'),
  ])
  return table([['', 'trained', 'accuracy', 'PyTorch', 'F1', 'PyTorch', 'samples/s', 'seconds', 'bytes'], ...rows])
}

/** Reads the saved adapter back, as another program would. */
async function classify(device: Device, tokenizer: Tokenizer, folder: string): Promise<void> {
  const model: CallablePeftModel = await PeftModel.fromPretrained(await loadBase(device, 1234), folder)
  const found = await model.predict(sentences, tokenizer)
  sentences.forEach((text, i) => console.log(`${found[i].label.padEnd(4)} ${(100 * found[i].score).toFixed(1).padStart(5)} %  ${text}`))
}

await main()
