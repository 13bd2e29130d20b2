import type { Device } from '../../src/gpu'
import { memoryFiles, openSafetensors, readTensor } from '../../src/io'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { hostInputs } from '../../src/models/inputs'
import type { ModelDType } from '../../src/models/sequence_classification'
import { type CallablePeftModel, getPeftModel } from '../../src/peft'
import { AdamW } from '../../src/train/adamw'
import { TrainingProgram } from '../../src/train/program'
import { assert } from '../harness'

type Method = 'head' | 'lora' | 'condlora'
type Fixture = (path: string) => Promise<Uint8Array>

interface Expected {
  lossAndGradNorm: [number, number][]
  logitsAfter: number[][]
  trained: number
}

const peftTypes = { head: 'HEAD', lora: 'LORA', condlora: 'CONDLORA' } as const
const json = async <T>(fixture: Fixture, name: string) => JSON.parse(new TextDecoder().decode(await fixture(name))) as T

/** The ten steps of test/fixtures/spam_case: losses, norms, and the logits after them to `most`. */
export async function spamCase(
  method: Method,
  device: Device,
  fixture: Fixture,
  { dtype, most }: { dtype: ModelDType; most: number } = { dtype: 'fp32', most: 1e-3 },
): Promise<void> {
  const { [method]: wanted } = await json<Record<Method, Expected>>(fixture, 'spam_case/expected.json')
  const batches = await json<{ inputIds: number[][]; attentionMask: number[][]; labels: number[] }[]>(fixture, 'spam_case/batches.json')
  const model = await startModel(method, device, fixture, dtype)
  assert.is(model.parameters.count, wanted.trained)
  const { values, gradients } = model.parameters
  const optimizer = new AdamW(device, [{ values, gradients, start: 0, count: values.size }], { scaled: dtype === 'fp16' })
  const program = new TrainingProgram(model, optimizer, { seed: 0 })
  const { config } = model.base
  for (const [i, { labels, ...tokens }] of batches.entries()) {
    const key = `8×${tokens.inputIds[0].length}`
    await program.step([{ key, size: 8, labels, inputs: hostInputs(tokens, config) }], 2e-3, i + 1)
    const { lossSum, gradNorm } = await program.takeLosses()
    const [loss, norm] = wanted.lossAndGradNorm[i]
    assert.close([lossSum], [loss], most, `${method}: loss of step ${i}`)
    assert.close([gradNorm], [norm], most, `${method}: gradient norm of step ${i}`)
  }
  const after = await (await model(batches[0])).data()
  assert.close(after, wanted.logitsAfter.flat(), most, `${method}: logits after ten steps`)
  program.dispose()
}

async function startModel(method: Method, device: Device, fixture: Fixture, dtype: ModelDType): Promise<CallablePeftModel> {
  const names = ['config.json', 'model.safetensors']
  const files = await Promise.all(names.map(async (n): Promise<[string, Uint8Array]> => [n, await fixture(`models/roberta-mini/${n}`)]))
  const base = await AutoModelForSequenceClassification.fromPretrained(memoryFiles('roberta-mini', files), {
    ...{ device, dtype },
    numLabels: 2,
    notice: () => {},
  })
  const model = await getPeftModel(base, { peftType: peftTypes[method] })
  const start = await openSafetensors(
    memoryFiles('spam_case', [['start.safetensors', await fixture('spam_case/start.safetensors')]]),
    'start.safetensors',
  )
  for (const [name, tensor] of model.parameters.byName) {
    const entry = start.get(startName(name))
    if (!entry) throw new Error(`spam_case: there is no ${startName(name)} for ${name}`)
    tensor.write(await readTensor(entry))
  }
  return model
}

/** `lora.3.query.A`, `condlora.query.theta_A` and the head's own names. */
const startName = (name: string) =>
  name
    .replace(/^roberta\.encoder\.layer\.(\d)\.attention\.self\.(\w+)\.lora_([AB])\.weight$/, 'lora.$1.$2.$3')
    .replace(/^conversion\.attention\.self\.(\w+)\./, 'condlora.$1.')
