import { type Files, memoryFiles, openSafetensors, readJson } from '../../src/io'
import { encoderConfig } from '../../src/models/config'
import type { CallablePeftModel } from '../../src/peft'
import { countsLine, getPeftModel, type PeftConfig, PeftModel, trainableParameters } from '../../src/peft'
import { assert, openTestDevice, rng, test } from '../harness'
import { goldenFiles, robertaBase as robertaFile } from '../models/fixtures'
import { tinyModel, tinyTokens as tokens } from '../tiny'

const robertaBase = encoderConfig({ ...robertaFile, layer_norm_eps: 1e-5 }, 'roberta-base')

const kinds: PeftConfig[] = [
  { peftType: 'HEAD' },
  { peftType: 'BITFIT' },
  { peftType: 'FULL' },
  { peftType: 'LORA', useDora: true, r: 2, bias: 'all' },
  { peftType: 'LORA', initLoraWeights: 'pissa', r: 2 },
  { peftType: 'LORA', initLoraWeights: 'pissa_niter_4', r: 3, targetModules: ['intermediate.dense'] },
  { peftType: 'VERA', r: 6, bias: 'vera_only' },
  { peftType: 'VERA', r: 5, saveProjection: false, targetModules: ['query', 'output.dense'] },
  { peftType: 'FOURIERFT', nFrequency: 30, initWeights: true },
  { peftType: 'LORA_XS', r: 3 },
  { peftType: 'LORA', r: 3, loraAlpha: 5 },
  { peftType: 'LORA', r: 2, targetModules: 'all-linear', useRslora: true },
  { peftType: 'CONDLORA', r: 3 },
  { peftType: 'CONDLORA', r: 2, conversion: 'rectangular', targetModules: ['query', 'intermediate.dense', 'layer.0.output.dense'] },
  { peftType: 'CONDLORA', r: 2, useX: 'type1', loraXScaling: 1 },
  { peftType: 'CONDLORA', r: 3, useX: 'type1', conversion: 'rectangular', targetModules: ['query', 'intermediate.dense'] },
  { peftType: 'CONDLORA', r: 2, useX: 'type2', dropoutPlacement: 'input' },
  { peftType: 'CONDLORA', r: 3, useX: 'type2', conversion: 'rectangular', targetModules: ['value', 'output.dense'] },
]

const merges = (config: PeftConfig) => !('useX' in config && config.useX === 'type2')

/** A model whose adapter and head are all random, as after training. */
async function trained(config: PeftConfig): Promise<CallablePeftModel> {
  const model = await getPeftModel(await tinyModel(await openTestDevice()), config)
  const random = rng()
  // Small enough that float32's rounding is not magnified a hundredfold, as by one draw in twenty with 0.3.
  for (const [, tensor] of model.parameters.trained()) tensor.write(random.normal(tensor.size, 0.2))
  return model
}

const logits = async (model: CallablePeftModel) => [...(await (await model(tokens)).data())]

test('RoBERTa-base, r = 8, query and value: 294,912 for LoRA, 24,576 for CondLoRA, from the configuration alone', async () => {
  const line = async (peftType: 'LORA' | 'CONDLORA') => countsLine(await trainableParameters(robertaBase, { peftType }))
  assert.match(
    await line('LORA'),
    'trainable params: 887,042 (adapter 294,912 + head 592,130) || all params: 125,534,212 || trainable%: 0.7066',
  )
  assert.match(
    await line('CONDLORA'),
    'trainable params: 616,706 (adapter 24,576 + head 592,130) || all params: 125,263,876 || trainable%: 0.4923',
  )
})

test('RoBERTa-base, r = 8: CondLoRA’s variants train 30,720 and 25,344', async () => {
  for (const [useX, adapter] of [
    ['type1', 30_720],
    ['type2', 25_344],
  ] as const)
    assert.is((await trainableParameters(robertaBase, { peftType: 'CONDLORA', useX })).adapter, adapter)
})

test('the counts of a real model are those of its configuration', async () => {
  for (const config of kinds) {
    const model = await trained(config)
    assert.equal(model.trainableParameters(), await trainableParameters(model.base.config, config))
  }
})

test('a new adapter changes no logit', async () => {
  const base = await tinyModel(await openTestDevice())
  const wanted = [...(await (await base(tokens)).data())]
  // LoRA-XS starts at N(0, 10⁻⁵).
  for (const config of kinds) {
    const tolerance = config.peftType === 'LORA_XS' ? 1e-4 : 2e-6
    assert.close(await logits(await getPeftModel(base, config)), wanted, tolerance, JSON.stringify(config))
  }
})

test('saved and loaded: the same logits, bit for bit, and the same files', async () => {
  for (const config of kinds) {
    const model = await trained(config)
    const files = memoryFiles('adapter')
    await model.savePretrained(files)
    const again = await PeftModel.fromPretrained(model.base, files)
    assert.equal(await logits(again), await logits(model), JSON.stringify(config))
    const copy = memoryFiles('copy')
    await again.savePretrained(copy)
    for (const name of await files.list()) assert.equal([...(await copy.read(name))], [...(await files.read(name))], name)
  }
})

test('every method merges: the base alone then gives the same logits', async () => {
  for (const config of kinds.filter(merges)) {
    const model = await trained(config)
    const wanted = await logits(model)
    const merged = await model.mergeAndUnload()
    assert.close(await (await merged.logits(tokens)).data(), wanted, 2e-5, JSON.stringify(config))
  }
})

test('CondLoRA, LoRA-XS and PiSSA written as plain LoRA: PEFT names and shapes, the same logits', async () => {
  const pissa = (config: PeftConfig) => `${(config as { initLoraWeights?: unknown }).initLoraWeights}`.startsWith('pissa')
  const chosen = kinds.filter((each) => (['CONDLORA', 'LORA_XS'].includes(each.peftType) && merges(each)) || pissa(each))
  assert.ok(chosen.length >= 5)
  for (const config of chosen) {
    const model = await trained(config)
    const files = memoryFiles('as-lora')
    await model.savePretrained(files, { as: 'lora' })
    const json = await readJson(files, 'adapter_config.json')
    assert.is(json.peft_type, 'LORA')
    assert.not.ok('conversion' in json)
    if (pissa(config)) {
      const { r, init_lora_weights } = json
      assert.equal([r, init_lora_weights], [2 * (config as { r: number }).r, true])
    }
    const again = await PeftModel.fromPretrained(model.base, files)
    assert.close(await logits(again), await logits(model), 1e-5)
  }
})

test('keys and configuration are PEFT’s', async () => {
  const model = await trained({ peftType: 'LORA', r: 4 })
  const files = memoryFiles('lora')
  await model.savePretrained(files)
  const names = [...(await openSafetensors(files, 'adapter_model.safetensors')).keys()]
  const self = (l: number, kind: string) => `base_model.model.roberta.encoder.layer.${l}.attention.self.${kind}`
  const factors = [0, 1].flatMap((l) => ['query', 'value'].flatMap((k) => ['A', 'B'].map((s) => `${self(l, k)}.lora_${s}.weight`)))
  const head = ['dense.weight', 'dense.bias', 'out_proj.weight', 'out_proj.bias'].map((n) => `base_model.model.classifier.${n}`)
  assert.equal(names.sort(), [...factors, ...head].sort())
  const json = await readJson(files, 'adapter_config.json')
  const { peft_type, r, lora_alpha, lora_dropout, target_modules, modules_to_save, task_type, bias, base_model_name_or_path } = json
  assert.equal(
    { peft_type, r, lora_alpha, lora_dropout, target_modules, modules_to_save, task_type, bias, base_model_name_or_path },
    {
      peft_type: 'LORA',
      r: 4,
      lora_alpha: 8,
      lora_dropout: 0,
      target_modules: ['query', 'value'],
      modules_to_save: ['classifier', 'score'],
      task_type: 'SEQ_CLS',
      bias: 'none',
      base_model_name_or_path: 'tiny',
    },
  )
})

test('a configuration has the keys that PEFT writes, and no other: PEFT warns of those that it does not know', async () => {
  const base = await tinyModel(await openTestDevice())
  for (const [peftType, name] of [
    ['LORA', 'lora'],
    ['VERA', 'vera'],
    ['FOURIERFT', 'fourierft'],
  ] as const) {
    const files = memoryFiles(name)
    await (await getPeftModel(base, { peftType, ...(peftType === 'FOURIERFT' ? { nFrequency: 30 } : {}) })).savePretrained(files)
    const theirs = await readJson(await goldenFiles(`cases-odd/${name}`, ['adapter_config.json']), 'adapter_config.json')
    const keys = Object.keys(theirs).filter((key) => key !== 'peft_version')
    assert.equal(Object.keys(await readJson(files, 'adapter_config.json')).sort(), keys.sort(), name)
  }
})

test('CondLoRA’s own keys: one pair a role', async () => {
  const model = await trained({ peftType: 'CONDLORA' })
  const files = memoryFiles('condlora')
  await model.savePretrained(files)
  const stored = await openSafetensors(files, 'adapter_model.safetensors')
  const pairs = ['query', 'value'].flatMap((k) => ['A', 'B'].map((s) => `base_model.model.conversion.attention.self.${k}.theta_${s}`))
  assert.equal([...stored.keys()].filter((n) => n.includes('conversion')).sort(), pairs.sort())
  assert.equal(stored.get(pairs[0])?.shape, [8, 20])
})

test('roles of one last name but other shapes do not share', async () => {
  const model = await trained({ peftType: 'CONDLORA', r: 2, conversion: 'rectangular', targetModules: ['dense'] })
  const roles = model.method.parameters.map((p) => `${p.name} [${p.shape}]`)
  assert.equal(roles, [
    'conversion.attention.output.dense.theta_A [2,20]',
    'conversion.attention.output.dense.theta_B [2,20]',
    'conversion.intermediate.dense.theta_A [2,28]',
    'conversion.intermediate.dense.theta_B [2,20]',
    'conversion.output.dense.theta_A [2,20]',
    'conversion.output.dense.theta_B [2,28]',
  ])
})

test('one base serves several adapters', async () => {
  const base = await tinyModel(await openTestDevice())
  const before = [...(await (await base(tokens)).data())]
  const first = await getPeftModel(base, { peftType: 'LORA' })
  for (const t of first.parameters.byName.values()) t.write(rng().normal(t.size, 0.3))
  const second = await getPeftModel(base, { peftType: 'CONDLORA' })
  const mine = await logits(first)
  for (const t of second.parameters.byName.values()) t.write(rng().normal(t.size, 0.3))
  assert.not.equal(await logits(second), mine)
  assert.equal(await logits(first), mine)
  assert.equal([...(await (await base(tokens)).data())], before)
})

test('bad configurations say what, wanted and got', async () => {
  const base = await tinyModel(await openTestDevice())
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ peftType: 'LORA', r: 0 }, /peft config: r: wanted >=1, got 0/],
    [{ peftType: 'LORA', r: 1.5 }, /r: wanted a whole number, got 1.5/],
    [{ peftType: 'LORA', lra: 3 }, /Unrecognized key: "lra"/],
    [{ peftType: 'LOHA' }, /peftType: .*LORA.*got "LOHA"/],
    [{ peftType: 'LORA', loraDropout: 1 }, /loraDropout: .*got 1/],
    [{ peftType: 'LORA', conversion: 'rectangular' }, /Unrecognized key: "conversion"/],
    [{ peftType: 'LORA', targetModules: ['querry'] }, /\["querry"\] matches no linear layer; .*attention.self.query/],
    [{ peftType: 'LORA', targetModules: [] }, /matches no linear layer/],
    [{ peftType: 'LORA', targetModules: ['query', 'LayerNorm'] }, /LayerNorm is no linear layer/],
    [{ peftType: 'LORA', targetModules: '.*quer' }, /".\*quer" matches no linear layer/],
    [{ peftType: 'LORA', targetModules: '(' }, /is not a regular expression/],
    [{ peftType: 'LORA', modulesToSave: ['pooler'] }, /modulesToSave: "pooler" ends the path of no module/],
    [{ peftType: 'CONDLORA', targetModules: ['intermediate.dense'] }, /28×20.*use conversion "rectangular"/],
    [{ peftType: 'CONDLORA', useX: 'type3' }, /useX: .*got "type3"/],
    [{ peftType: 'CONDLORA', useX: 'type1', loraXScaling: 0 }, /loraXScaling: .*got 0/],
  ]
  for (const [config, message] of cases) await assert.rejects(() => getPeftModel(base, config as PeftConfig), message)
})

test('bad adapter folders say which file and tensor', async () => {
  const model = await trained({ peftType: 'LORA', r: 2 })
  const saved = memoryFiles('adapter')
  await model.savePretrained(saved)
  const load = async (changes: Record<string, unknown>, files: Files = saved) => {
    const json = { ...(await readJson(saved, 'adapter_config.json')), ...changes }
    const copy = memoryFiles('adapter', [['adapter_model.safetensors', await files.read('adapter_model.safetensors')]])
    await copy.write('adapter_config.json', new TextEncoder().encode(JSON.stringify(json)))
    return PeftModel.fromPretrained(model.base, copy)
  }
  await load({ a_new_key: 1, peft_version: '9' })
  await assert.rejects(load({ r: 3 }), /lora_A.weight: wanted shape \[3,20\], got \[2,20\]/)
  await assert.rejects(load({ use_qalora: true }), /adapter_config.json: use_qalora: true is not supported/)
  await assert.rejects(load({ bias: 'all' }), /LayerNorm.bias \[20\] is missing/)
  await assert.rejects(load({ target_modules: ['query', 'key', 'value'] }), /self.key.lora_A.weight \[2,20\] is missing/)
  await assert.rejects(load({ target_modules: ['query'] }), /does not ask for .*self.value/)
  await assert.rejects(load({ peft_type: 'LOHA' }), /peftType: .*got "LOHA"/)
  await assert.rejects(PeftModel.fromPretrained(model.base, memoryFiles('empty')), /empty: there is no file adapter_config.json/)
})
