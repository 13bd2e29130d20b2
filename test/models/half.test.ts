import { type Files, fromHalf, memoryFiles, openCheckpoint, readTensor, toHalf } from '../../src/io'
import { AutoModelForSequenceClassification, type FromPretrainedOptions } from '../../src/models/auto'
import { namedTensors } from '../../src/models/modules'
import { holdHalf } from '../half'
import { assert, openTestDevice, test } from '../harness'
import { tinyFiles } from '../tiny'
import { goldenFiles, safetensorsFile, stored } from './fixtures'

/** The files of a model after `change` of its tensors, stored as `dtype`. */
async function changed(files: Files, change: (name: string, data: Float32Array) => void, dtype = 'F32'): Promise<Files> {
  const tensors = [...(await openCheckpoint(files)).values()].map(async (entry) => {
    const data = Float32Array.from(await readTensor(entry))
    change(entry.name, data)
    return stored(entry.name, entry.shape, data, dtype)
  })
  return memoryFiles(files.name, [
    ['config.json', await files.read('config.json')],
    ['model.safetensors', safetensorsFile(await Promise.all(tensors))],
  ])
}

const isFrozen = (name: string) => /(_embeddings|query|key|value|dense)\.weight$/.test(name) && /\.(embeddings|encoder)\./.test(name)

/** NaN is not equal to itself. */
const bits = (data: Float32Array<ArrayBuffer>) => new Uint32Array(data.buffer)

/** Every tensor against the file: the nearest half floats where it is frozen and not of a kind that stays f32. */
async function compare(files: Files, stays?: RegExp): Promise<string[]> {
  const { model, kept } = await holdHalf(files, await openTestDevice())
  const checkpoint = await openCheckpoint(files)
  for (const [name, tensor] of namedTensors(model)) {
    const entry = checkpoint.get(name)
    if (!entry) continue
    const wanted = Float32Array.from(await readTensor(entry))
    const half = isFrozen(name) && !stays?.test(name)
    assert.is(tensor.dtype, half ? 'f16' : 'f32', name)
    assert.equal(bits(await tensor.data()), bits(half ? fromHalf(toHalf(wanted)) : wanted), name)
  }
  assert.is(model.dtype, 'fp16')
  return kept
}

test('fp16: tables and matrices of the encoder are the nearest half floats, all else is as the file has it', async () => {
  for (const folder of ['cases/roberta', 'cases/bert', 'cases-odd/roberta', 'cases-odd/bert'])
    assert.equal(await compare(await goldenFiles(folder)), [], folder)
})

test('fp16: matrices of an odd number of elements, and a checkpoint of half floats', async () => {
  const odd = tinyFiles({ hidden_size: 15, num_attention_heads: 3, intermediate_size: 7, vocab_size: 301 })
  assert.equal(await compare(odd), [])
  assert.equal(await compare(await changed(odd, () => {}, 'F16')), [])
})

test('fp16: layers in several buffers', async () => {
  const files = tinyFiles({ num_hidden_layers: 3, vocab_size: 40 })
  const device = await openTestDevice({ cap: { maxBufferSize: 2 * 2 * 3 * 20 * 20 } })
  const { model } = await holdHalf(files, device)
  assert.is(new Set(model.encoder.linears().map(({ weight }) => weight.storage)).size, 2 + 1 + 1 + 1)
  for (const { name, weight } of model.encoder.linears()) {
    const entry = (await openCheckpoint(files)).get(`${name}.weight`)
    assert.equal(await weight.data(), fromHalf(toHalf((await readTensor(entry!)) as Float32Array)), name)
  }
  device.destroy()
})

test('fp16: what holds a number that no half float is stays f32 with all of its kind, told by name and number', async () => {
  const put = (of: RegExp, ...values: number[]) =>
    changed(tinyFiles(), (name, data) => {
      if (of.test(name)) data.set(values, data.length - values.length)
    })
  const table = 'roberta.embeddings.word_embeddings.weight'
  const says = (what: string) => `${what} no half float does (the largest is 65504): `
  assert.equal(await compare(await put(/word_embeddings/, 65519.9, -65519, 1e-9)), [], 'these round to 65504 and 0')
  assert.equal(await compare(await put(/word_embeddings/, 65520), /word_embeddings/), [
    `${says(`${table} holds 65520, which`)}embeddings.word_embeddings.weight stays f32`,
  ])
  assert.equal(await compare(await put(/0.*key\.weight|1.*(query|intermediate.dense)\.weight/, 7e4, -9e4), /self|intermediate/), [
    `${says('roberta.encoder.layer.0.attention.self.key.weight holds 90000, which')}attention.self stays f32`,
    `${says('roberta.encoder.layer.1.intermediate.dense.weight holds 90000, which')}intermediate.dense stays f32`,
  ])
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const [told, ...more] = await compare(await put(/1\.output\.dense\.weight/, 8e4, bad, 7e4), /\.\d\.output/)
    assert.equal([told, more], [`${says(`roberta.encoder.layer.1.output.dense.weight holds ${bad}, which`)}output.dense stays f32`, []])
  }
})

test('fp16: a model takes half the memory for what is frozen, and gives back what it loaded in vain', async () => {
  const files = tinyFiles()
  const device = await openTestDevice({})
  const live = () => device.memory.stats.liveBytes
  const { encoder, head } = (await holdHalf(files, device)).model
  const bytes = [...encoder.tensors].reduce((n, [, t]) => n + t.size * t.width, 0)
  const frozen = [...encoder.tensors].reduce((n, [name, t]) => n + (isFrozen(`roberta.${name}`) ? t.size : 0), 0)
  const all = [...encoder.tensors.values()].reduce((n, t) => n + t.size, 0)
  assert.is(bytes, 4 * all - 2 * frozen)
  for (const t of [...encoder.tensors.values(), ...head.tensors.values()]) t.dispose()
  await device.sync()
  const before = live()
  const large = await changed(files, (name, data) => name.includes('word') && data.fill(1e5))
  const { model } = await holdHalf(large, device)
  await device.sync()
  const storages = new Set([...namedTensors(model).values()].map(({ storage }) => storage))
  const held = [...storages].reduce((n, { size }) => n + size, 0)
  assert.ok(live() - before < 1.5 * held + 65536, `${live() - before} bytes for ${held}`)
  device.destroy()
})

test('fp16: a device without half floats refuses before anything is read; another dtype is no dtype', async () => {
  const device = await openTestDevice({ withhold: ['shader-f16'] })
  const files = { ...tinyFiles(), read: async () => assert.unreachable('read') as never }
  const load = (dtype: string) =>
    AutoModelForSequenceClassification.fromPretrained(files, { device, dtype } as unknown as FromPretrainedOptions)
  await assert.rejects(
    load('fp16'),
    /fromPretrained: dtype "fp16" computes with half floats, and .+ has no shader-f16 here: load with dtype "fp32", or open another/,
  )
  await assert.rejects(load('q4'), /fromPretrained: dtype: wanted "fp32" or "fp16", got "q4"/)
  device.destroy()
})

test('fp16: the checksums are those of the file; what was rounded is not written', async () => {
  const files = tinyFiles()
  const device = await openTestDevice()
  const whole = await AutoModelForSequenceClassification.fromPretrained(files, { device, notice: () => {} })
  const { model } = await holdHalf(files, device)
  assert.equal([model.digest, model.encoderDigest, model.dtype], [whole.digest, whole.encoderDigest, 'fp16'])
  assert.is(whole.dtype, 'fp32')
  const target = memoryFiles('target')
  await assert.rejects(
    model.savePretrained(target),
    /the weights of tiny were rounded to half floats: load it with dtype "fp32" to save it/,
  )
  assert.equal(await target.list(), [])
})
