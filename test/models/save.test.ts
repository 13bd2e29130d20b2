import { type Files, memoryFiles, openSafetensors, readJson } from '../../src/io'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { getPeftModel } from '../../src/peft'
import { assert, openTestDevice, rng, test } from '../harness'
import { loadTiny, tinyModel } from '../tiny'
import { goldenFiles, goldenTensors, goldenTokens, safetensorsFile, stored } from './fixtures'

/** A golden checkpoint with its weights stored in another type, without the prefix that transformers writes. */
async function checkpoint(kind: 'roberta' | 'bert', dtype: string): Promise<Files> {
  const tensors = await goldenTensors(`cases/${kind}`, 'model')
  const list = [...tensors].map(([name, t]) => stored(name.replace(`${kind}.`, ''), t.shape, t.data as Float32Array, dtype))
  return memoryFiles('m', [
    ['config.json', await (await goldenFiles(`cases/${kind}`)).read('config.json')],
    ['model.safetensors', safetensorsFile(list)],
  ])
}

const torchTypes = { F32: 'float32', F16: 'float16', BF16: 'bfloat16', F64: 'float32' }

for (const [kind, dtype] of [
  ['roberta', 'F32'],
  ['roberta', 'F16'],
  ['bert', 'BF16'],
] as const)
  test(`${kind}, ${dtype}: saved under transformers' names, in the checkpoint's type, and the same model when read back`, async () => {
    const device = await openTestDevice()
    const id2label = ['ham', 'spam', 'eggs']
    const model = await AutoModelForSequenceClassification.fromPretrained(await checkpoint(kind, dtype), { device })
    const files = memoryFiles('saved')
    await model.savePretrained(files)
    const entries = await openSafetensors(files, 'model.safetensors')
    const names = [...(await goldenTensors(`cases/${kind}`, 'model')).keys()].filter((name) => !name.endsWith('position_ids'))
    assert.equal([...entries.keys()].sort(), names.sort())
    assert.equal([...new Set([...entries.values()].map((e) => e.dtype))], [dtype])
    const config = await readJson(files, 'config.json')
    assert.equal(config.architectures, [`${kind === 'bert' ? 'Bert' : 'Roberta'}ForSequenceClassification`])
    assert.is(config.torch_dtype, torchTypes[dtype])
    const again = await AutoModelForSequenceClassification.fromPretrained(files, { device, notice: assert.unreachable })
    const tokens = await goldenTokens(`cases/${kind}`)
    assert.equal(await (await again(tokens)).data(), await (await model(tokens)).data())
    assert.is(again.digest, model.digest)
    const named = await AutoModelForSequenceClassification.fromPretrained(files, { device, id2label, notice: () => {} })
    await named.savePretrained(files)
    const { id2label: ids, label2id, problem_type: problem } = await readJson(files, 'config.json')
    assert.equal(
      [ids, label2id, problem],
      [{ 0: 'ham', 1: 'spam', 2: 'eggs' }, { ham: 0, spam: 1, eggs: 2 }, 'single_label_classification'],
    )
  })

test('a merged adapter is saved with its head', async () => {
  const model = await getPeftModel(await tinyModel(await openTestDevice()), { peftType: 'CONDLORA', r: 3, loraAlpha: 6 })
  const random = rng()
  for (const tensor of model.parameters.byName.values()) tensor.write(random.normal(tensor.size, 0.3))
  const tokens = { inputIds: [[0, 40, 41, 42, 2]] }
  const before = await (await model(tokens)).data()
  const files = memoryFiles('merged')
  await (await model.mergeAndUnload()).savePretrained(files)
  assert.close(await (await (await loadTiny(files, model.device))(tokens)).data(), before, 1e-5, 'logits')
})
