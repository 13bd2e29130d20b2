import { type Files, fromBfloat16, fromHalf, memoryFiles, toHalf } from '../../src/io'
import { AutoModelForSequenceClassification, callable, type FromPretrainedOptions } from '../../src/models/auto'
import type { TokenBatch } from '../../src/models/inputs'
import { ModelForSequenceClassification } from '../../src/models/sequence_classification'
import { assert, openTestDevice, test } from '../harness'
import {
  goldenFiles,
  goldenTensors,
  goldenTokens,
  type StoredTensor,
  safetensorsFile,
  stored,
  storedPositions,
  toBfloat16,
} from './fixtures'

type Weights = Map<string, { shape: readonly number[]; data: Float32Array }>

const weights = {
  roberta: (await goldenTensors('cases/roberta', 'model')) as Weights,
  bert: (await goldenTensors('cases/bert', 'model')) as Weights,
}
type Kind = keyof typeof weights

/** The golden model's tensors, renamed or left out (null), in one kind of float. */
function tensors(kind: Kind, rename: (name: string) => string | null = (name) => name, dtype = 'F32'): StoredTensor[] {
  return [...weights[kind]].flatMap(([name, { shape, data }]) => {
    const renamed = rename(name)
    return renamed === null ? [] : [stored(renamed, shape, data, dtype)]
  })
}

async function folder(kind: Kind, list: StoredTensor[], config: Record<string, unknown> = {}): Promise<Files> {
  const golden = JSON.parse(new TextDecoder().decode(await (await goldenFiles(`cases/${kind}`)).read('config.json')))
  const json = new TextEncoder().encode(JSON.stringify({ ...golden, ...config }))
  return memoryFiles('m', [
    ['config.json', json],
    ['model.safetensors', safetensorsFile(list)],
  ])
}

/** Loads and tells the notices. */
async function load(files: Files, options: Partial<FromPretrainedOptions> = {}) {
  const notices: string[] = []
  const device = await openTestDevice()
  const model = await AutoModelForSequenceClassification.fromPretrained(files, { device, notice: (text) => notices.push(text), ...options })
  return { model, notices }
}

async function logits(files: Files, kind: Kind): Promise<Float32Array> {
  const { model, notices } = await load(files)
  assert.equal(notices, [])
  return (await model(await goldenTokens(`cases/${kind}`))).data()
}

for (const [dtype, round] of [
  ['F16', (v: Float32Array) => fromHalf(toHalf(v))],
  ['BF16', (v: Float32Array) => fromBfloat16(toBfloat16(v))],
] as const)
  test(`${dtype} weights: the logits of the same numbers stored as F32, bit for bit`, async () => {
    const rounded = [...weights.roberta].map(([name, { shape, data }]) => stored(name, shape, round(data)))
    const [got, wanted] = [tensors('roberta', undefined, dtype), rounded]
    assert.equal(await logits(await folder('roberta', got), 'roberta'), await logits(await folder('roberta', wanted), 'roberta'))
  })

test('shards are one checkpoint', async () => {
  const all = tensors('roberta')
  const single = await folder('roberta', all)
  const shards = [0, 1, 2].map((i) => ({ file: `model-0000${i + 1}-of-00003.safetensors`, list: all.filter((_, at) => at % 3 === i) }))
  const map = Object.fromEntries(shards.flatMap(({ file, list }) => list.map(({ name }) => [name, file])))
  const sharded = memoryFiles('m', [
    ['config.json', await single.read('config.json')],
    ['model.safetensors.index.json', new TextEncoder().encode(JSON.stringify({ weight_map: map }))],
    ...shards.map(({ file, list }): [string, Uint8Array] => [file, safetensorsFile(list)]),
  ])
  assert.equal(await logits(sharded, 'roberta'), await logits(single, 'roberta'))
})

const renamings: [string, (name: string) => string][] = [
  ['without the prefix', (name) => name.replace(/^(roberta|bert)\./, '')],
  ['gamma and beta', (name) => name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta')],
]
for (const kind of ['roberta', 'bert'] as const)
  for (const [what, rename] of renamings)
    test(`${kind}, ${what}: the golden logits`, async () => {
      const expected = (await goldenTensors(`cases/${kind}`, 'expected')).get('logits')!.data
      assert.close(await logits(await folder(kind, tensors(kind, rename)), kind), expected, 1e-5)
    })

/** Names that fill a hub file besides what is used here, each with a shape of its own. */
const others = (names: string[]) => names.map((name, i) => stored(name, [2, i + 1], new Float32Array(2 * (i + 1))))

test('a file like roberta-base: one notice names what is unused and what is drawn', async () => {
  const unused = [
    ...['lm_head.bias', 'lm_head.dense.weight', 'lm_head.dense.bias', 'lm_head.layer_norm.weight', 'lm_head.layer_norm.bias'],
    ...['lm_head.decoder.weight', 'roberta.pooler.dense.weight', 'roberta.pooler.dense.bias'],
  ]
  const backbone = tensors('roberta', (name) => (name.startsWith('classifier') ? null : name))
  const list = [storedPositions('roberta.embeddings.position_ids', 27), ...others(unused), ...backbone]
  const { model, notices } = await load(await folder('roberta', list))
  assert.equal(notices, [
    `m: not used: roberta.embeddings.position_ids, ${unused.join(', ')}; newly drawn (train them before you use them): ` +
      'classifier.dense.weight, classifier.dense.bias, classifier.out_proj.weight, classifier.out_proj.bias',
  ])
  const { 'classifier.dense.weight': dense, 'classifier.out_proj.weight': output, ...biases } = await headOf(model)
  assert.ok(dense.length === 48 * 48 && output.length === 3 * 48)
  const std = Math.sqrt(dense.reduce((sum, v) => sum + v * v, 0) / dense.length)
  const mean = dense.reduce((sum, v) => sum + v, 0) / dense.length
  assert.ok(Math.abs(std - 0.02) < 0.001 && Math.abs(mean) < 0.002, `std ${std}, mean ${mean}`)
  for (const bias of Object.values(biases)) assert.ok(bias.every((v) => v === 0))
  assert.is.not(`${dense.subarray(0, 9)}`, `${output.subarray(0, 9)}`)
})

test('a file like bert-base: gamma and beta, cls.*, its pooler used', async () => {
  const unused = [
    ...['cls.predictions.bias', 'cls.predictions.transform.dense.weight', 'cls.predictions.transform.dense.bias'],
    ...['cls.predictions.transform.LayerNorm.gamma', 'cls.predictions.transform.LayerNorm.beta', 'cls.predictions.decoder.weight'],
    ...['cls.seq_relationship.weight', 'cls.seq_relationship.bias'],
  ]
  const old = tensors('bert', (name) => (name.startsWith('classifier') ? null : renamings[1][1](name)))
  const { model, notices } = await load(await folder('bert', [...old, ...others(unused)]))
  assert.equal(notices, [
    `m: not used: ${unused.join(', ')}; newly drawn (train them before you use them): classifier.weight, classifier.bias`,
  ])
  const head = await headOf(model)
  assert.equal(head['bert.pooler.dense.weight'], weights.bert.get('bert.pooler.dense.weight')?.data)
})

test('BERT without a pooler: drawn too', async () => {
  const { model, notices } = await load(
    await folder(
      'bert',
      tensors('bert', (name) => (name.includes('pooler') ? null : name)),
    ),
  )
  assert.equal(notices, ['m: newly drawn (train them before you use them): bert.pooler.dense.weight, bert.pooler.dense.bias'])
  const head = await headOf(model)
  assert.ok(head['bert.pooler.dense.weight'].some((v) => v !== 0))
  assert.equal(head['classifier.weight'], weights.bert.get('classifier.weight')?.data)
})

test('a head is drawn by its seed and by initializer_range', async () => {
  const list = tensors('roberta', (name) => (name.startsWith('classifier.out_proj') ? null : name))
  const draw = async (seed?: number, config = {}) =>
    (await headOf((await load(await folder('roberta', list, config), { seed })).model))['classifier.out_proj.weight']
  const first = await draw(7)
  assert.equal(await draw(7), first)
  assert.is.not(`${await draw(8)}`, `${first}`)
  assert.equal(await draw(), await draw(42))
  const wide = await draw(7, { initializer_range: 0.04 })
  assert.close(
    wide,
    first.map((v) => 2 * v),
    1e-6,
  )
})

test("numLabels other than the file's: the output layer is drawn, the rest loaded", async () => {
  const [weight, bias] = ['classifier.out_proj.weight', 'classifier.out_proj.bias']
  for (const options of [{ numLabels: 2 }, { id2label: ['ham', 'spam'] }]) {
    const { model, notices } = await load(await folder('roberta', tensors('roberta')), options)
    assert.equal(notices, [`m: not used: ${bias}, ${weight}; newly drawn (train them before you use them): ${weight}, ${bias}`])
    assert.equal((await model(await goldenTokens('cases/roberta'))).shape, [5, 2])
    assert.equal((await headOf(model))['classifier.dense.weight'], weights.roberta.get('classifier.dense.weight')?.data)
    assert.equal(model.config.id2label, options.id2label ?? ['LABEL_0', 'LABEL_1'])
  }
})

test('what is loaded is a model that can be called', async () => {
  const { model } = await load(await folder('bert', tensors('bert')))
  assert.ok(model instanceof ModelForSequenceClassification)
  assert.equal(
    [model.nameOrPath, model.parameterCount, 'logits' in model],
    ['m', [...weights.bert.values()].reduce((n, t) => n + t.data.length, 0), true],
  )
})

test('a callable model held by another stays callable, and methods keep their object', async () => {
  const { model } = await load(await folder('bert', tensors('bert')))
  const tokens = await goldenTokens('cases/bert')
  const outer = callable({ base: model }, (given: TokenBatch) => model.logits(given))
  assert.is(outer.base.nameOrPath, 'm')
  assert.equal(await (await outer.base(tokens)).data(), await (await outer(tokens)).data())
  const { logits } = outer.base
  assert.equal((await logits(tokens)).shape, [5, 3])
})

async function headOf({ head }: ModelForSequenceClassification): Promise<Record<string, Float32Array>> {
  return Object.fromEntries(await Promise.all([...head.tensors].map(async ([name, t]) => [name, await t.data()])))
}
