import { encoderConfig } from '../../src/models/config'
import { inputTensors } from '../../src/models/inputs'
import { metaModel } from '../../src/models/meta'
import { classify } from '../../src/models/sequence_classification'
import { Pass } from '../../src/nn/pass'
import { assert, test } from '../harness'
import { robertaBase as bareRobertaBase } from './fixtures'

const robertaBase = { ...bareRobertaBase, pad_token_id: 1, layer_norm_eps: 1e-5 }
const bertBase = {
  ...robertaBase,
  model_type: 'bert',
  vocab_size: 30522,
  max_position_embeddings: 512,
  type_vocab_size: 2,
  pad_token_id: 0,
}

const roles = [
  'attention.self.query',
  'attention.self.key',
  'attention.self.value',
  'attention.output.dense',
  'intermediate.dense',
  'output.dense',
]

test('RoBERTa-base has 124,647,170 parameters with two labels, by its configuration alone', () => {
  const model = metaModel(encoderConfig(robertaBase, 'config.json'))
  assert.is(model.parameterCount, 124_647_170)
  const head = [...model.head.tensors.values()].reduce((n, t) => n + t.size, 0)
  assert.is(head, 592_130)
  assert.is(metaModel(encoderConfig(robertaBase, 'config.json', { numLabels: 3 })).parameterCount, 124_647_939)
})

test('BERT-base has 109,483,778, its pooler included', () => {
  assert.is(metaModel(encoderConfig(bertBase, 'config.json')).parameterCount, 109_483_778)
})

test('the linear layers by module path and shape', () => {
  for (const [raw, prefix] of [
    [robertaBase, 'roberta'],
    [bertBase, 'bert'],
  ] as const) {
    const linears = metaModel(encoderConfig(raw, 'config.json')).encoder.linears()
    const wanted = Array.from({ length: 12 }, (_, l) => roles.map((role) => `${prefix}.encoder.layer.${l}.${role}`)).flat()
    assert.equal(
      linears.map((l) => l.name),
      wanted,
    )
    const shapes = linears.slice(66).map((l) => [...l.weight.shape])
    const square = [768, 768]
    assert.equal(shapes, [square, square, square, square, [3072, 768], [768, 3072]])
  }
})

test('a forward gives shapes; numbers are refused by name', async () => {
  const model = metaModel(encoderConfig(robertaBase, 'config.json', { numLabels: 5 }))
  const logits = classify(model, inputTensors(model.device, 4, 128), new Pass())
  assert.equal(logits.shape, [4, 5])
  await assert.rejects(() => logits.data(), /^read: .* belongs to a meta model, which has shapes and no numbers/)
  await assert.rejects(
    () =>
      model.device.record(
        'step',
        () => 0,
        () => [],
      ),
    /^record: step belongs to a meta model/,
  )
})
