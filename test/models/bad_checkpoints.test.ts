import { type Files, memoryFiles, openSafetensors } from '../../src/io'
import { AutoModelForSequenceClassification, type FromPretrainedOptions } from '../../src/models/auto'
import { encoderConfig } from '../../src/models/config'
import { metaModel } from '../../src/models/meta'
import { ModelForSequenceClassification } from '../../src/models/sequence_classification'
import { loadWeights, planWeights } from '../../src/models/weights'
import { assert, openTestDevice, rng, test } from '../harness'
import { type StoredTensor, safetensorsFile, stored } from './fixtures'

const raw = {
  model_type: 'roberta',
  vocab_size: 37,
  hidden_size: 10,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 14,
  max_position_embeddings: 13,
  type_vocab_size: 1,
}
const config = encoderConfig(raw, 'config.json')
const meta = metaModel(config)

/** A complete file of random weights for `raw`. */
function complete(): StoredTensor[] {
  const random = rng()
  const all = [...[...meta.encoder.tensors].map(([name, t]) => [`roberta.${name}`, t] as const), ...meta.head.tensors]
  return all.map(([name, { shape, size }]) => stored(name, shape, random.normal(size)))
}

function folder(list: StoredTensor[], more: Record<string, unknown> = {}): Files {
  const json = new TextEncoder().encode(JSON.stringify({ ...raw, ...more }))
  return memoryFiles('m', [
    ['config.json', json],
    ['model.safetensors', safetensorsFile(list)],
  ])
}

/** The file with one tensor changed or left out. */
const without = (name: string, put: StoredTensor[] = []) => [...complete().filter((t) => t.name !== name), ...put]
const zeros = (name: string, shape: number[], dtype?: string) =>
  stored(name, shape, new Float32Array(shape.reduce((n, d) => n * d, 1)), dtype)

const query = 'roberta.encoder.layer.1.attention.self.query.weight'
const output = 'classifier.out_proj.weight'
const integers: StoredTensor = { name: query, dtype: 'I8', shape: [10, 10], bytes: new Uint8Array(100) }
const bad: [string, Files, RegExp, Partial<FromPretrainedOptions>?][] = [
  [
    'a missing backbone tensor',
    folder(without(query)),
    /^m: tensor roberta\.encoder\.layer\.1\.attention\.self\.query\.weight \[10,10\] is missing$/,
  ],
  [
    'a wrong shape',
    folder(without(query, [zeros(query, [10, 9])])),
    /^m: tensor .*\.1\.attention\.self\.query\.weight: wanted shape \[10,10\], got \[10,9\]$/,
  ],
  ['the same size in another shape', folder(without(query, [zeros(query, [100])])), /query\.weight: wanted shape \[10,10\], got \[100\]/],
  ['integers for weights', folder(without(query, [integers])), /query\.weight: wanted one of F32, F16, BF16, F64, got I8/],
  [
    'fewer layers than config.json says',
    folder(complete(), { num_hidden_layers: 3 }),
    /tensor roberta\.encoder\.layer\.2\.attention\.self\.query\.weight \[10,10\] is missing/,
  ],
  [
    "another model's file",
    folder(complete(), { model_type: 'bert' }),
    /^m: tensor bert\.embeddings\.word_embeddings\.weight \[37,10\] is missing$/,
  ],
  [
    'more labels than config.json says',
    folder(without(output, [zeros(output, [5, 10])])),
    /classifier\.out_proj\.weight: wanted shape \[2,10\], got \[5,10\]/,
  ],
  [
    'an output layer of another width',
    folder(without(output, [zeros(output, [2, 9])])),
    /out_proj\.weight: wanted shape \[3,10\], got \[2,9\]/,
    { numLabels: 3 },
  ],
  [
    'a head of another width',
    folder(without('classifier.dense.weight', [zeros('classifier.dense.weight', [9, 9])])),
    /classifier\.dense\.weight: wanted shape \[10,10\], got \[9,9\]/,
  ],
  [
    'sizes that no device can hold',
    folder(complete(), { vocab_size: 1e7, intermediate_size: 1e7 }),
    /word_embeddings\.weight: wanted shape \[10000000,10\], got \[37,10\]/,
  ],
  ['an architecture of its own', folder([], { model_type: 'deberta-v2' }), /^m\/config\.json: model_type: .* got "deberta-v2"/],
  ['no config.json', memoryFiles('m'), /^m: there is no file config\.json$/],
  ['no weights', memoryFiles('m', [['config.json', new TextEncoder().encode(JSON.stringify(raw))]]), /^m: there is no model\.safetensors$/],
]
for (const [what, files, message, options] of bad)
  test(`refuses ${what}, before any GPU memory is taken`, async () => {
    const device = await openTestDevice()
    const before = device.memory.stats.liveBytes
    await assert.rejects(() => AutoModelForSequenceClassification.fromPretrained(files, { device, ...options }), message)
    assert.is(device.memory.stats.liveBytes, before)
  })

/** Files that notes what is read of them. */
function watched(files: Files): { files: Files; ranges: [number, number][] } {
  const ranges: [number, number][] = []
  const read: Files['read'] = async (path, start = 0, end) => {
    if (path.endsWith('.safetensors')) ranges.push([start, end ?? Number.POSITIVE_INFINITY])
    return files.read(path, start, end)
  }
  return { files: { ...files, read }, ranges }
}

test('a file is read tensor by tensor, each byte once, and what is unused never', async () => {
  const unused = zeros('lm_head.decoder.weight', [37, 10])
  const bytes = safetensorsFile([...complete().slice(0, 5), unused, ...complete().slice(5)])
  const { files, ranges } = watched(
    memoryFiles('m', [
      ['config.json', new TextEncoder().encode(JSON.stringify(raw))],
      ['model.safetensors', bytes],
    ]),
  )
  const device = await openTestDevice()
  await AutoModelForSequenceClassification.fromPretrained(files, { device, notice: () => {} })
  const entries = [...(await openSafetensors(files, 'model.safetensors')).values()]
  const header = ranges.splice(0, 2)
  ranges.splice(-2) // of openSafetensors just above
  assert.equal(header[0], [0, 8])
  assert.is(header[1][1], Math.min(...entries.map((e) => e.start)))
  const sorted = (list: [number, number][]) => list.sort((a, b) => a[0] - b[0])
  const wanted = entries.filter((e) => e.name !== unused.name).map((e): [number, number] => [e.start, e.end])
  assert.equal(sorted(ranges), sorted(wanted))
})

for (const chunk of [1, 7, 64, 1000])
  test(`pieces of ${chunk} numbers put every number in its place`, async () => {
    const list = complete()
    const { files, ranges } = watched(folder(list))
    const entries = await openSafetensors(files, 'model.safetensors')
    ranges.length = 0
    const model = new ModelForSequenceClassification(await openTestDevice(), config, 'm')
    await loadWeights(model, planWeights(meta, entries, { file: 'm' }), 1, { chunk })
    assert.ok(ranges.every(([start, end]) => end - start <= 4 * chunk))
    assert.is(
      ranges.length,
      list.reduce((n, t) => n + Math.ceil(t.bytes.length / 4 / chunk), 0),
    )
    const loaded = new Map([...[...model.encoder.tensors].map(([name, t]) => [`roberta.${name}`, t] as const), ...model.head.tensors])
    for (const { name, bytes } of list) assert.equal(new Uint8Array((await loaded.get(name)!.data()).buffer), bytes, name)
  })
