import { getPeftModel, type PeftConfig } from '../../src/peft'
import { holdHalf } from '../half'
import { assert, openTestDevice, test } from '../harness'
import { tinyFiles } from '../tiny'

const half = async () => (await holdHalf(tinyFiles(), await openTestDevice())).model

test('fp16: methods that train half floats are refused, by name of the first', async () => {
  const refused: [PeftConfig, string][] = [
    [{ peftType: 'FULL' }, 'roberta.embeddings.word_embeddings.weight'],
    [{ peftType: 'LORA', modulesToSave: ['layer.1.output'] }, 'roberta.encoder.layer.1.output.dense.weight'],
    [{ peftType: 'HEAD', modulesToSave: ['position_embeddings'] }, 'roberta.embeddings.position_embeddings.weight'],
  ]
  for (const [config, name] of refused)
    await assert.rejects(
      getPeftModel(await half(), config),
      new RegExp(`${name} would be trained, but dtype "fp16" made half floats of it, which are frozen: load the model with dtype "fp32"`),
    )
})

test('fp16: every other method trains f32 alone', async () => {
  const configs: PeftConfig[] = [
    { peftType: 'HEAD' },
    { peftType: 'BITFIT' },
    { peftType: 'LORA', bias: 'all' },
    { peftType: 'LORA', useDora: true },
    { peftType: 'LORA', initLoraWeights: 'pissa' },
    { peftType: 'LORA_XS' },
    { peftType: 'VERA' },
    { peftType: 'FOURIERFT', nFrequency: 10 },
    { peftType: 'CONDLORA' },
  ]
  for (const config of configs) {
    const model = await getPeftModel(await half(), config)
    for (const [name, tensor] of model.parameters.byName) assert.is(tensor.dtype, 'f32', `${JSON.stringify(config)}: ${name}`)
  }
})

test('fp16: PiSSA keeps the rest of W0 as f32, so that nothing changes at the start', async () => {
  const base = await half()
  const { method, parameters } = await getPeftModel(base, { peftType: 'LORA', r: 3, loraAlpha: 6, initLoraWeights: 'pissa' })
  assert.is(method.replaced?.size, 4)
  for (const { name, weight } of base.encoder.linears()) {
    const rest = method.replaced?.get(weight)
    if (!rest) continue
    assert.is(rest.dtype, 'f32')
    const [W, R, A, B] = await Promise.all(
      [weight, rest, parameters.get(`${name}.lora_A.weight`), parameters.get(`${name}.lora_B.weight`)].map((t) => t.data()),
    )
    const sum = R.map((r, at) => r + 2 * [0, 1, 2].reduce((n, k) => n + B[Math.floor(at / 20) * 3 + k] * A[k * 20 + (at % 20)], 0))
    assert.close(sum, W, 1e-5, name)
  }
})

test('fp16: nothing is merged into half floats', async () => {
  const model = await getPeftModel(await half(), { peftType: 'LORA' })
  const why = /merge: the weights of tiny were rounded to half floats, and ΔW would be too: load it with dtype "fp32"/
  assert.throws(() => model.mergeAdapter(), why)
  await assert.rejects(model.mergeAndUnload(), why)
  assert.equal(model.mergedAdapters, [])
})
