import { type Files, memoryFiles, openSafetensors, readJson, readTensor } from '../../src/io'
import { writeSafetensors } from '../../src/io/safetensors_write'
import { type CallablePeftModel, getPeftModel, type PeftConfig, PeftModel } from '../../src/peft'
import { assert, openTestDevice, rng, test } from '../harness'
import { tinyModel } from '../tiny'

const tokens = { inputIds: [[0, 40, 41, 42, 2]] }
const logits = async (model: CallablePeftModel) => [...(await (await model(tokens)).data())]
const encode = (json: object) => new TextEncoder().encode(JSON.stringify(json))

async function trained(more: Partial<PeftConfig> = {}): Promise<{ model: CallablePeftModel; files: Files }> {
  const config = { peftType: 'CONDLORA', r: 3, loraAlpha: 6, ...more } as PeftConfig
  const model = await getPeftModel(await tinyModel(await openTestDevice()), config)
  const random = rng()
  for (const tensor of model.parameters.byName.values()) tensor.write(random.normal(tensor.size, 0.3))
  const files = memoryFiles('adapter')
  await model.savePretrained(files)
  return { model, files }
}

test('the base is recorded, and another one refused unless it is asked for', async () => {
  const { model, files } = await trained()
  const { base_digest: digest } = await readJson(files, 'adapter_config.json')
  assert.is(digest, model.base.encoderDigest)
  const other = await tinyModel(model.device)
  other.encoder.word.view([1]).write([0.125])
  const { renewDigests } = await import('../../src/models/weights')
  await renewDigests(other)
  await assert.rejects(PeftModel.fromPretrained(other, files), new RegExp(`trained on a base with the digest ${digest}, tiny has`))
  assert.is((await logits(await PeftModel.fromPretrained(other, files, { config: { baseDigest: null } }))).length, 2)
})

test('the head that was drawn makes no other base', async () => {
  const { model, files } = await trained()
  const other = await tinyModel(model.device)
  other.head.trained[0].weight.write(new Float32Array(400))
  const { renewDigests } = await import('../../src/models/weights')
  await renewDigests(other)
  assert.equal(await logits(await PeftModel.fromPretrained(other, files)), await logits(model))
})

/** The adapter as the paper's program would have written it. */
async function asAuthors(files: Files, more: object = {}): Promise<Files> {
  const stored = await openSafetensors(files, 'adapter_model.safetensors')
  const tensors = await Promise.all(
    [...stored].map(async ([name, entry]) => ({
      name: name.replace(/^.*\.(query|value)\.theta_([AB])$/, '$1.linear_for_lora_$2').replace(/^.*\.theta_x$/, 'linear_for_lora_x'),
      shape: entry.shape,
      data: Float32Array.from(await readTensor(entry)),
    })),
  )
  const config = {
    peft_type: 'ConditionalLORA',
    r: 3,
    lora_alpha: 6,
    lora_dropout: 0,
    use_x: 'none',
    lora_x_scaling: 0,
    target_modules: null,
    ...more,
  }
  return memoryFiles('theirs', [
    ['adapter_model.safetensors', writeSafetensors(tensors)],
    ['adapter_config.json', encode(config)],
  ])
}

test('the authors’ own files are read', async () => {
  const { model, files } = await trained()
  const theirs = await asAuthors(files)
  const names = [...(await openSafetensors(theirs, 'adapter_model.safetensors')).keys()]
  assert.ok(names.includes('query.linear_for_lora_A') && names.includes('value.linear_for_lora_B'))
  const loaded = await PeftModel.fromPretrained(model.base, theirs)
  assert.equal(await logits(loaded), await logits(model))
  const { peftConfig } = loaded
  assert.is('dropoutPlacement' in peftConfig && peftConfig.dropoutPlacement, 'input')
  await assert.rejects(
    PeftModel.fromPretrained(model.base, await asAuthors(files, { use_x: 'type3' })),
    /use_x: wanted "none", "type1" or "type2", got "type3"/,
  )
})

test('the authors’ files of their variants that depend on the input', async () => {
  for (const useX of ['type1', 'type2'] as const) {
    const { model, files } = await trained({ useX, loraXScaling: 0.25 })
    const theirs = await asAuthors(files, { use_x: useX, lora_x_scaling: 0.25 })
    assert.ok((await openSafetensors(theirs, 'adapter_model.safetensors')).has('linear_for_lora_x'))
    assert.equal(await logits(await PeftModel.fromPretrained(model.base, theirs)), await logits(model), useX)
  }
})

test('a pickle is never opened: the error has the lines that convert it', async () => {
  const { model } = await trained()
  const pickled = memoryFiles('old', [
    ['adapter_config.json', encode({ peft_type: 'ConditionalLORA', r: 3 })],
    ['adapter_model.bin', new Uint8Array(10)],
  ])
  await assert.rejects(
    PeftModel.fromPretrained(model.base, pickled),
    /adapter_model\.bin: a pickle can run any code[\s\S]*weights_only=True[\s\S]*save_file/,
  )
})
