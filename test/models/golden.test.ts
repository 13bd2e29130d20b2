import { noGrad, Tensor } from '../../src/graph'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { hostInputs, inputTensors, writeInputs } from '../../src/models/inputs'
import { classificationLoss } from '../../src/models/sequence_classification'
import { Pass } from '../../src/nn/pass'
import { assert, openTestDevice, test } from '../harness'
import { goldenCase, goldenFiles, goldenTensors, goldenTokens } from './fixtures'

const load = async (folder: string) =>
  AutoModelForSequenceClassification.fromPretrained(await goldenFiles(folder), {
    device: await openTestDevice(),
    notice: (text) => assert.unreachable(`a notice for a complete file: ${text}`),
  })

for (const cases of ['cases', 'cases-odd']) {
  for (const name of ['roberta', 'bert']) {
    const folder = `${cases}/${name}`

    test(`${folder}: logits and loss are PyTorch's`, async () => {
      const model = await load(folder)
      const logits = await model(await goldenTokens(folder))
      assert.equal(logits.shape, [5, 3])
      assert.close(await logits.data(), (await goldenTensors(folder, 'expected')).get('logits')!.data, 1e-5, 'logits')
      const labels = (await goldenTensors(folder, 'inputs')).get('labels')!.data
      const loss = classificationLoss(model.config, logits, Tensor.from(model.device, labels, [5], 'i32'))
      assert.close([await loss.item()], [(await goldenCase<{ loss: number }>(folder)).loss], 1e-5, 'loss')
    })

    test(`${folder}: every hidden state`, async () => {
      const model = await load(folder)
      const host = hostInputs(await goldenTokens(folder), model.config)
      const inputs = inputTensors(model.device, host.batch, host.length)
      writeInputs(inputs, host)
      const all: Tensor[] = []
      const last = noGrad(() => model.encoder.forward(inputs, new Pass(), all))
      const expected = await goldenTensors(folder, 'expected')
      assert.is(all.length, 4)
      assert.is(last, all[3])
      for (const [i, state] of all.entries()) {
        const { shape, data } = expected.get(`hidden_states.${i}`)!
        assert.equal(state.shape, shape)
        assert.close(await state.data(), data, 1e-5, `hidden state ${i}`)
      }
    })
  }

  test(`${cases}/roberta-regression: one label, mean squared error`, async () => {
    const folder = `${cases}/roberta-regression`
    const model = await load(folder)
    assert.equal([model.config.problemType, model.config.numLabels], ['regression', 1])
    const logits = await model(await goldenTokens(folder))
    assert.equal(logits.shape, [5, 1])
    assert.close(await logits.data(), (await goldenTensors(folder, 'expected')).get('logits')!.data, 1e-5, 'logits')
    const targets = (await goldenTensors(folder, 'inputs')).get('labels')!.data
    const loss = classificationLoss(model.config, logits, Tensor.from(model.device, targets))
    assert.close([await loss.item()], [(await goldenCase<{ loss: number }>(folder)).loss], 1e-5, 'loss')
  })
}

test('a batch of one, and one label: a row alone gives what it gives among others', async () => {
  for (const folder of ['cases/roberta', 'cases/bert', 'cases-odd/roberta-regression']) {
    const model = await load(folder)
    const { inputIds, attentionMask, length } = await goldenTokens(folder)
    const expected = (await goldenTensors(folder, 'expected')).get('logits')!
    const labels = expected.shape[1]
    // Compared together: a regression's single number may be near 0, where nothing is small beside it.
    const rows = [0, 3]
    const alone: number[] = []
    for (const row of rows) {
      const real = attentionMask.subarray(row * length, (row + 1) * length).reduce((n, m) => n + m, 0)
      const ids = [...inputIds.subarray(row * length, row * length + real)]
      const logits = await model({ inputIds: [ids] }) // without its padding
      assert.equal(logits.shape, [1, labels])
      alone.push(...(await logits.data()))
      const label = labels === 1 ? Tensor.from(model.device, [0.5]) : Tensor.from(model.device, [1], [1], 'i32')
      assert.equal(classificationLoss(model.config, logits, label).shape, [])
    }
    const among = rows.flatMap((row) => [...expected.data.subarray(row * labels, (row + 1) * labels)])
    assert.close(alone, among, 1e-5, `${folder}, rows ${rows}`)
  }
})
