import { bucketLength } from '../../src/data/bucket'
import type { Device } from '../../src/gpu'
import { type Files, memoryFiles } from '../../src/io'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { getPeftModel, type PeftConfig, PeftModel } from '../../src/peft'
import { TextClassification, type TextClassificationOptions } from '../../src/peft/text_classification'
import { encodeRow } from '../../src/train/examples'
import { assert, openTestDevice, rng, test } from '../harness'
import { miniTokenizer, tinyFiles } from '../tiny'

const lora: PeftConfig = { peftType: 'LORA', r: 3, loraAlpha: 5 }
const condlora: PeftConfig = { peftType: 'CONDLORA', r: 2, targetModules: ['query', 'key'] }
const vera: PeftConfig = { peftType: 'VERA', r: 4 }
const dora: PeftConfig = { ...lora, useDora: true }

const words = ['the', 'house', 'green', 'walks', 'on', 'money', 'river']
const sentence = (length: number) => Array.from({ length }, (_, i) => words[(i * i + length) % words.length]).join(' ')
const texts = [3, 20, 1, 9, 14, 6, 2].map(sentence)

/** An adapter as after training, with classes of its own. */
async function trained(device: Device, base: Files, config: PeftConfig, classes: { id2label?: string[]; numLabels?: number } = {}) {
  const model = await AutoModelForSequenceClassification.fromPretrained(base, { device, ...classes, notice: () => {} })
  const peft = await getPeftModel(model, config)
  const random = rng()
  for (const tensor of peft.parameters.byName.values()) tensor.write(random.normal(tensor.size, 0.2))
  const files = memoryFiles('adapter')
  await peft.savePretrained(files)
  return { files, peft }
}

const open = async (device: Device, base: Files, more: Partial<TextClassificationOptions> = {}) =>
  TextClassification.fromPretrained(base, { device, tokenizer: await miniTokenizer(), notice: () => {}, ...more })

/** Bytes that the queue was given to write, and the largest write. */
function watchWrites({ gpu: { queue } }: Device) {
  const write = queue.writeBuffer
  const seen = { bytes: 0, writes: 0 }
  queue.writeBuffer = (...args: Parameters<typeof write>) => {
    const [, , data, start = 0, size] = args
    const element = 'BYTES_PER_ELEMENT' in data ? (data.BYTES_PER_ELEMENT as number) : 1
    seen.bytes += size === undefined ? data.byteLength - start * element : size * element
    seen.writes++
    return write.apply(queue, args)
  }
  return {
    take: () => {
      const found = { ...seen }
      seen.bytes = seen.writes = 0
      return found
    },
    end: () => {
      queue.writeBuffer = write
    },
  }
}

test('results as the pipeline of transformers.js gives them: one text, several, pairs, topK', async () => {
  const device = await openTestDevice()
  const base = tinyFiles({ id2label: { 0: 'ham', 1: 'spam', 2: 'eggs' } })
  const { files, peft } = await trained(device, base, lora)
  const classify = await open(device, base, { adapters: { mail: files } })
  const tokenizer = await miniTokenizer()
  const wanted = await peft.predict(texts, tokenizer)
  const [one] = await classify(texts[1])
  assert.is(one.label, wanted[1].label)
  assert.close([one.score], [wanted[1].score], 1e-5)
  const all = await classify(texts)
  assert.equal(
    all.map(({ label }) => label),
    wanted.map(({ label }) => label),
  )
  assert.close(
    all.map(({ score }) => score),
    wanted.map(({ score }) => score),
    1e-5,
  )
  const best = await classify(texts, { topK: 2, batchSize: 3 })
  best.forEach((labels, i) => {
    const [first, second] = [...wanted[i].scores].sort((a, b) => b - a)
    assert.close(
      labels.map(({ score }) => score),
      [first, second],
      1e-5,
    )
    assert.is(labels[1].label, ['ham', 'spam', 'eggs'][wanted[i].scores.indexOf(second)])
  })
  const every = await classify(texts[0], { topK: null })
  assert.equal(every.map(({ label }) => label).sort(), ['eggs', 'ham', 'spam'])
  const [pair] = await classify({ text: texts[0], textPair: texts[1] })
  const [ours] = await peft.predict([[texts[0], texts[1]]], tokenizer)
  assert.is(pair.label, ours.label)
  assert.close([pair.score], [ours.score], 1e-5)
  assert.equal(await classify([{ text: texts[0] }]), await classify(texts[0]))
  assert.equal(await classify([]), [])
  assert.equal(classify.labels(), ['ham', 'spam', 'eggs'])
  await assert.rejects(classify('a', { topK: 0 }), /topK: wanted a whole number above 0, got 0/)
  await assert.rejects(classify('a', { batchSize: 1.5 }), /batchSize: wanted a whole number above 0, got 1.5/)
  await assert.rejects(classify('a', { adapter: 'male' }), /there is no adapter "male"; there are mail/)
  await classify.dispose()
})

test('adapters of four methods on one base, mixed and at once: each answers to the bit as alone', async () => {
  const device = await openTestDevice()
  const base = tinyFiles()
  const kinds = { lora, condlora, vera, dora }
  const adapters: Record<string, Files> = {}
  const alone = new Map<string, unknown>()
  for (const [name, config] of Object.entries(kinds)) {
    const { files } = await trained(device, base, config)
    adapters[name] = files
    const classify = await open(device, base, { adapters: { only: files } })
    alone.set(name, await classify(texts, { topK: null, batchSize: 3 }))
    assert.not.equal(alone.get(name), await classify(texts, { topK: null, batchSize: 3, adapter: null }))
    await classify.dispose()
  }
  assert.is(new Set([...alone.values()].map((each) => JSON.stringify(each))).size, 4, 'they differ')
  const classify = await open(device, base, { adapters })
  assert.equal([classify.adapterNames, classify.activeAdapter], [Object.keys(kinds), 'lora'])
  const bare = await classify(texts, { topK: null, batchSize: 3, adapter: null })
  for (const name of ['vera', 'lora', 'condlora', 'vera', 'dora', 'lora']) {
    classify.setAdapter(name)
    assert.equal(await classify(texts, { topK: null, batchSize: 3 }), alone.get(name), name)
  }
  const orders = ['dora', 'condlora', 'dora', 'lora', null, 'vera']
  const found = await Promise.all(orders.map((adapter) => classify(texts, { topK: null, batchSize: 3, adapter })))
  found.forEach((each, i) => assert.equal(each, orders[i] === null ? bare : alone.get(orders[i] ?? ''), `${orders[i]}`))
  await classify.dispose()
})

test('another adapter costs no upload and no copy of weights: a switch writes token ids alone, a new one its own bytes', async () => {
  const base = tinyFiles({ vocab_size: 8192, hidden_size: 64, num_hidden_layers: 3 })
  const { files: first } = await trained(await openTestDevice(), base, lora)
  const { files: second } = await trained(await openTestDevice(), base, { ...lora, r: 16 })
  // Of its own: no garbage of other tests' comes back in between.
  const device = await openTestDevice({})
  const classify = await open(device, base, { adapters: { first } })
  await classify(texts[1])
  const adapterBytes = (await second.size('adapter_model.safetensors')) ?? 0
  const baseBytes = classify.base.parameterCount * 4
  const live = () => device.memory.stats.liveBytes
  const watch = watchWrites(device)
  try {
    const before = live()
    await classify.loadAdapter(second, 'second')
    const grown = live() - before
    // A buffer is at most an eighth larger than what is asked for; tensors begin at multiples of 256 bytes.
    assert.ok(grown > 0.9 * adapterBytes && grown < 1.2 * adapterBytes + 8192, `${grown} bytes for an adapter of ${adapterBytes}`)
    assert.ok(grown < baseBytes / 20, 'the base is not there twice')
    const loaded = watch.take()
    assert.ok(loaded.bytes < 2.2 * adapterBytes + 16384, `${loaded.bytes} bytes written: values and gradients of the adapter`)
    await classify(texts[1], { adapter: 'second' })
    watch.take()
    const recorded = live()
    for (const name of ['first', 'second', 'first', 'second']) {
      classify.setAdapter(name)
      await classify(texts[1])
    }
    const { bytes, writes } = watch.take()
    const tokens = bucketLength((await miniTokenizer()).encode(texts[1]).ids.length, 64)
    assert.equal([bytes, writes], [4 * 4 * 4 * tokens, 4 * 4], 'ids, positions, types, mask of four calls')
    assert.is(live(), recorded, 'nothing is made')
    await classify.deleteAdapter('second')
    assert.ok(live() <= before, 'and all of it comes back')
    assert.is(classify.activeAdapter, 'first')
    await assert.rejects(classify(texts[1], { adapter: 'second' }), /there is no adapter "second"/)
  } finally {
    watch.end()
  }
  await classify.dispose()
  device.destroy()
})

for (const modelType of ['roberta', 'bert'])
  test(`${modelType}: each adapter has its own head and labels, whatever their number`, async () => {
    const device = await openTestDevice()
    const base = tinyFiles({ model_type: modelType, pad_token_id: 1 })
    const tokenizer = await miniTokenizer()
    const spam = await trained(device, base, lora, { id2label: ['ham', 'spam'] })
    const tone = await trained(device, base, condlora, { id2label: ['calm', 'angry', 'glad', 'sad'] })
    const stars = await trained(device, base, lora, { numLabels: 1 })
    const plain = await trained(device, base, lora, { numLabels: 3 })
    const classify = await open(device, base, { adapters: { spam: spam.files, tone: tone.files, stars: stars.files } })
    await classify.loadAdapter(plain.files, 'plain', { id2label: ['x', 'y', 'z'] })
    for (const [name, { peft }, labels] of [
      ['spam', spam, ['ham', 'spam']],
      ['tone', tone, ['calm', 'angry', 'glad', 'sad']],
      ['stars', stars, ['LABEL_0']],
      ['plain', plain, ['x', 'y', 'z']],
    ] as const) {
      assert.equal(classify.labels(name), labels)
      const found = await classify(texts, { adapter: name, topK: null })
      const wanted = await peft.predict(texts, tokenizer)
      found.forEach((each, i) => {
        assert.equal(each.map(({ label }) => label).sort(), [...labels].sort())
        const scores = labels.map((label) => each.find((l) => l.label === label)?.score ?? Number.NaN)
        assert.close(scores, wanted[i].scores, 1e-5)
      })
    }
    assert.is((await classify(texts[0], { adapter: 'tone', topK: 9 })).length, 4)
    await classify.deleteAdapter('tone')
    assert.close(
      (await classify(texts, { adapter: 'spam' })).map(({ score }) => score),
      (await spam.peft.predict(texts, tokenizer)).map(({ score }) => score),
      1e-5,
    )
    await classify.dispose()
  })

test('classes that do not exclude each other have a probability each', async () => {
  const device = await openTestDevice()
  const base = tinyFiles({ problem_type: 'multi_label_classification', id2label: { 0: 'a', 1: 'b', 2: 'c' } })
  const { files, peft } = await trained(device, base, lora)
  const classify = await open(device, base, { adapters: { several: files } })
  const tokenizer = await miniTokenizer()
  const logits = await (await peft.logits({ inputIds: [tokenizer.encode(texts[0]).ids] })).data()
  const found = await classify(texts[0], { topK: null })
  const named = ['a', 'b', 'c'].map((label) => found.find((each) => each.label === label)?.score ?? Number.NaN)
  assert.close(
    named,
    [...logits].map((z) => 1 / (1 + Math.exp(-z))),
    1e-5,
  )
  assert.ok(found[0].score >= found[1].score && found[1].score >= found[2].score)
  const row = () => encodeRow({ text: 'a', label: 0 }, 0, tokenizer, peft.base.config, 8)
  assert.throws(row, /multi_label_classification: such a model predicts, but is not trained here yet/)
  const other = await open(device, tinyFiles({ id2label: { 0: 'a', 1: 'b', 2: 'c' } }))
  await other.loadAdapter(files, 'several', { problemType: 'multi_label_classification' })
  assert.equal(await other(texts[0], { topK: null, adapter: 'several' }), found)
  await other.dispose()
  await classify.dispose()
})

test('a signal ends a call between two batches; a deleted adapter ends the calls that use it', async () => {
  const device = await openTestDevice()
  const base = tinyFiles()
  const { files } = await trained(device, base, lora)
  const notices: string[] = []
  const classify = await open(device, base, { adapters: { one: files }, notice: (text) => notices.push(text) })
  const many = Array.from({ length: 40 }, (_, i) => sentence(1 + (i % 30)))
  const stop = new AbortController()
  const call = classify(many, { batchSize: 1, signal: stop.signal })
  stop.abort(new Error('enough'))
  await assert.rejects(call, /enough/)
  await assert.rejects(classify('a', { signal: stop.signal }), /enough/)
  const running = classify(many, { batchSize: 1 })
  const ended = assert.rejects(running, /the adapter one was deleted/)
  await classify.deleteAdapter('one')
  await ended
  assert.equal([classify.activeAdapter, classify.adapterNames], [null, []])
  assert.equal(notices, [])
  assert.is((await classify(many, { batchSize: 4 })).length, 40, 'the base alone')
  await classify('again')
  assert.is(notices.filter((text) => /newly drawn/.test(text)).length, 1, 'it is told once that its head is new')
  await classify.loadAdapter(files, 'one')
  await assert.rejects(classify.loadAdapter(files, 'one'), /there is an adapter one already/)
  await assert.rejects(classify.loadAdapter(files, 'a b'), /wanted letters, digits/)
  const other = await trained(device, tinyFiles({ hidden_size: 24 }), lora)
  await assert.rejects(classify.loadAdapter(other.files, 'other'), /wanted shape/)
  assert.equal(classify.adapterNames, ['one'])
  await classify.dispose()
})

test('an adapter that a library wrote for a base whose labels have names takes these names along', async () => {
  const device = await openTestDevice()
  const { files } = await trained(device, tinyFiles(), lora, { id2label: ['ham', 'spam'] })
  assert.equal((await files.list()).sort(), ['adapter_config.json', 'adapter_model.safetensors', 'id2label.json'])
  const { files: unnamed } = await trained(device, tinyFiles(), lora)
  assert.equal((await unnamed.list()).sort(), ['adapter_config.json', 'adapter_model.safetensors'])
  const base = await AutoModelForSequenceClassification.fromPretrained(tinyFiles(), { device, notice: () => {} })
  const again = await PeftModel.fromPretrained(base, files)
  assert.is(again.adapterNames.length, 1)
})
