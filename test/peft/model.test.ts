import { memoryFiles } from '../../src/io'
import { namedTensors } from '../../src/models/modules'
import { type CallablePeftModel, getPeftModel, type PeftConfig, PeftModel } from '../../src/peft'
import { assert, openTestDevice, rng, test } from '../harness'
import { tinyModel, tinyTokens as tokens } from '../tiny'

const lora: PeftConfig = { peftType: 'LORA', r: 3, loraAlpha: 5 }
const condlora: PeftConfig = { peftType: 'CONDLORA', r: 2, targetModules: ['query', 'key'] }

const logits = async (model: CallablePeftModel) => [...(await (await model(tokens)).data())]

function scramble(model: CallablePeftModel): void {
  const random = rng()
  for (const tensor of model.parameters.byName.values()) tensor.write(random.normal(tensor.size, 0.2))
}

/** A model with the adapters `default` (LoRA) and `other` (CondLoRA), both as after training. */
async function two() {
  const base = await tinyModel(await openTestDevice())
  const model = await getPeftModel(base, lora)
  scramble(model)
  await model.addAdapter('other', condlora)
  model.setAdapter('other')
  scramble(model)
  model.setAdapter('default')
  return { base, model }
}

const weights = async (base: Parameters<typeof namedTensors>[0]) =>
  Promise.all([...namedTensors(base).values()].map(async (t) => [...(await t.data())]))

test('adapters side by side: added, chosen, together, deleted', async () => {
  const { base, model } = await two()
  assert.equal(model.adapterNames, ['default', 'other'])
  assert.equal(model.activeAdapters, ['default'])
  assert.is(model.peftConfig.peftType, 'LORA')
  const first = await logits(model)
  model.setAdapter('other')
  assert.is(model.peftConfig.peftType, 'CONDLORA')
  const second = await logits(model)
  assert.not.equal(second, first)
  model.setAdapter('default')
  assert.equal(await logits(model), first)
  model.deleteAdapter('default')
  assert.equal(model.activeAdapters, ['other'])
  assert.equal(await logits(model), second)
  assert.throws(() => model.deleteAdapter('other'), /other is the only adapter/)
  assert.throws(() => model.setAdapter('default'), /there is no adapter "default"; there are other/)
  await assert.rejects(model.addAdapter('other', lora), /there is an adapter other already/)
  await assert.rejects(model.addAdapter('a/b', lora), /wanted letters, digits/)
  assert.is((await base(tokens)).shape.length, 2)
})

test('several adapters at once add up, with the head of the first; only one can be trained', async () => {
  const { base, model } = await two()
  const before = await weights(base)
  model.setAdapter(['default', 'other'])
  const both = await logits(model)
  assert.throws(() => model.parameters, /default, other are active together/)
  // The same sum by weights: merge one after the other.
  model.mergeAdapter()
  assert.equal(model.mergedAdapters, ['default', 'other'])
  assert.close(await logits(model), both, 1e-5)
  model.setAdapter(['other', 'default'])
  assert.not.equal(await logits(model), both, 'another head')
  assert.equal(await weights(base), before)
})

test('merged and unmerged: the same logits, the base bit for bit as it was', async () => {
  const { base, model } = await two()
  const before = await weights(base)
  const alone = [...(await (await base(tokens)).data())]
  for (const name of ['default', 'other']) {
    model.setAdapter(name)
    const wanted = await logits(model)
    model.mergeAdapter()
    const merged = await logits(model)
    assert.close(merged, wanted, 1e-5)
    assert.equal(model.mergedAdapters, [name])
    assert.throws(() => model.pass(model.prepare()), /other|default is merged: call unmergeAdapter/)
    model.mergeAdapter()
    assert.equal(await logits(model), merged, 'merging twice changes nothing')
    model.unmergeAdapter()
    assert.equal(await logits(model), wanted)
    assert.equal(await weights(base), before)
  }
  model.mergeAdapter()
  assert.equal([...(await (await base(tokens)).data())], alone, 'the base itself is never changed')
  model.setAdapter('default')
  assert.equal(model.mergedAdapters, [], 'setAdapter unmerges')
})

test('mergeAndUnload makes the base what the adapter made of it; other models on it are refused', async () => {
  const { base, model } = await two()
  const sibling = await getPeftModel(base, condlora)
  const digest = base.digest
  const wanted = await logits(model)
  const merged = await model.mergeAndUnload()
  assert.close(await (await merged.logits(tokens)).data(), wanted, 1e-5)
  assert.not.equal(base.digest, digest)
  assert.close(await (await base(tokens)).data(), wanted, 1e-5)
  await assert.rejects(logits(sibling), /mergeAndUnload changed the base/)
  await assert.rejects(logits(model), /mergeAndUnload changed the base/)
})

test('disableAdapter gives the bare base while its body runs, and ends with it', async () => {
  const { base, model } = await two()
  const bare = [...(await (await base(tokens)).data())]
  const own = await logits(model)
  assert.equal(await model.disableAdapter(() => logits(model)), bare)
  assert.equal(await logits(model), own)
  await assert.rejects(
    model.disableAdapter(() => Promise.reject(new Error('inside'))),
    /inside/,
  )
  assert.equal(await logits(model), own)
  model.mergeAdapter()
  assert.equal(await model.disableAdapter(() => logits(model)), bare, 'merged too')
})

test('all adapters are saved, each into its place, and loaded again', async () => {
  const { base, model } = await two()
  const files = memoryFiles('run')
  await model.savePretrained(files)
  assert.equal((await files.list()).sort(), [
    'adapter_config.json',
    'adapter_model.safetensors',
    'other/adapter_config.json',
    'other/adapter_model.safetensors',
  ])
  const again = await PeftModel.fromPretrained(base, files, { adapterName: 'mine' })
  assert.equal(again.adapterNames, ['mine'])
  const { subFolder } = await import('../../src/io')
  await again.loadAdapter(subFolder(files, 'other'), 'other')
  assert.equal(await logits(again), await logits(model))
  again.setAdapter('other')
  model.setAdapter('other')
  assert.equal(await logits(again), await logits(model))
  const one = memoryFiles('one')
  await model.savePretrained(one, { selectedAdapters: ['other'] })
  assert.equal((await one.list()).sort(), ['other/adapter_config.json', 'other/adapter_model.safetensors'])
})

test('counts: what the active adapter trains, of all that there is', async () => {
  const { base, model } = await two()
  const head = 20 * 20 + 20 + 2 * 20 + 2
  const [mine, theirs] = [4 * 3 * (20 + 20), 2 * 2 * 2 * 20]
  const all = base.parameterCount + mine + theirs + 2 * head
  assert.equal(model.trainableParameters(), { adapter: mine, head, all })
  model.setAdapter('other')
  assert.equal(model.trainableParameters(), { adapter: theirs, head, all })
  let line = ''
  model.printTrainableParameters((text) => {
    line = text
  })
  assert.match(line, `trainable params: ${theirs + head} (adapter ${theirs} + head ${head}) || all params: ${all.toLocaleString('en-US')}`)
})

test('modulesToSave takes any module of the model whole', async () => {
  const base = await tinyModel(await openTestDevice())
  const model = await getPeftModel(base, { ...lora, modulesToSave: ['layer.1.output.dense', 'embeddings.LayerNorm'] })
  const whole = [...model.parameters.byName.keys()].filter((name) => !name.includes('lora_'))
  assert.equal(whole, [
    'roberta.embeddings.LayerNorm.weight',
    'roberta.embeddings.LayerNorm.bias',
    'roberta.encoder.layer.1.output.dense.weight',
    'roberta.encoder.layer.1.output.dense.bias',
    'classifier.dense.weight',
    'classifier.dense.bias',
    'classifier.out_proj.weight',
    'classifier.out_proj.bias',
  ])
  const before = await logits(model)
  const own = (name: string) => model.parameters.get(name)
  own(whole[0]).write(new Float32Array(20).fill(2))
  assert.not.equal(await logits(model), before)
  own(whole[0]).write(new Float32Array(20).fill(1))
  assert.equal(await logits(model), before)
  own(whole[2]).write(new Float32Array(20 * 28))
  assert.not.equal(await logits(model), before)
})
