import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { namedTensors } from '../../src/models/modules'
import { PeftModel } from '../../src/peft'
import { assert, openTestDevice, test } from '../harness'
import { goldenFiles, goldenTensors, goldenTokens, ourName } from '../models/fixtures'

/** Adapters as peft trained them, merged into their base: its weights are those that peft's merge gave. */
async function check(set: string, name: string): Promise<void> {
  const device = await openTestDevice()
  const base = await AutoModelForSequenceClassification.fromPretrained(await goldenFiles(`${set}/roberta`), { device })
  const files = await goldenFiles(`${set}/${name}`, ['adapter_config.json', 'adapter_model.safetensors'])
  const model = await PeftModel.fromPretrained(base, files)
  const trained = await goldenTensors(`${set}/${name}`, 'after')
  for (const [key, { data }] of trained) model.parameters.get(ourName(key)).write(data)
  const logits = await (await model(await goldenTokens(`${set}/roberta`))).data()
  const merged = await model.mergeAndUnload()
  const tensors = namedTensors(merged)
  const expected = await goldenTensors(`${set}/${name}`, 'merged')
  assert.ok(expected.size >= 2)
  for (const [key, { data }] of expected) assert.close((await tensors.get(key)?.data()) ?? [], data, 1e-6, `${set}/${name}: ${key}`)
  assert.close(await (await merged.logits(await goldenTokens(`${set}/roberta`))).data(), logits, 1e-5, `${set}/${name}: logits`)
}

for (const set of ['cases', 'cases-odd'])
  for (const name of set === 'cases' ? ['lora-every-linear'] : ['lora', 'lora-rslora-key', 'lora-regex-patterns', 'dora'])
    test(`${set}/${name}: merged weights as peft's`, () => check(set, name))
