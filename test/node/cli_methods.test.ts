import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, test } from '../harness'
import { condlora, csv, inFolder, jsonLines, readJson, trainArgs } from './command'

// Four adapted layers [20, 20]; keys of adapter_config.json that make the method; numbers trained besides the head's.
const wanted: Record<string, { keys: Record<string, unknown>; trained: number }> = {
  bitfit: { keys: { peft_type: 'BITFIT' }, trained: 20 + 2 * (7 * 20 + 28) },
  dora: { keys: { peft_type: 'LORA', r: 4, use_dora: true }, trained: 4 * (2 * 4 * 20 + 20) },
  rslora: { keys: { peft_type: 'LORA', r: 4, use_rslora: true }, trained: 4 * 2 * 4 * 20 },
  pissa: { keys: { peft_type: 'LORA', r: 4, init_lora_weights: 'pissa' }, trained: 4 * 2 * 4 * 20 },
  'lora-xs': { keys: { peft_type: 'LORA_XS', r: 4 }, trained: 4 * 4 * 4 },
  vera: { keys: { peft_type: 'VERA', r: 16 }, trained: 4 * (20 + 16) },
  fourierft: { keys: { peft_type: 'FOURIERFT', n_frequency: 30, scaling: 20 }, trained: 4 * 30 },
  full: { keys: { peft_type: 'FULL' }, trained: (4096 + 66 + 1 + 2) * 20 + 2 * (4 * 420 + 2 * 40 + 588 + 580) },
}
const names = Object.keys(wanted)

const recipe = {
  ...{ title: 'words', metric: 'accuracy', seeds: 1, search: { low: 1e-3, high: 1e-1, trials: 1 } },
  settings: {
    ...{ train: 'train.csv', validation: 'dev.csv', model: 'tiny', perDeviceTrainBatchSize: 4, numTrainEpochs: 1 },
    ...{ rank: 4, projectionRank: 16, nFrequency: 30, scaling: 20, saveStrategy: 'no' },
  },
  learningRates: Object.fromEntries(names.map((name) => [name, 0.01])),
}

const truth = csv(12, 9)
  .split('\n')
  .slice(1, -1)
  .map((line) => line.split(',')[1])

test('every method of PEFT: trained by name, and predict with the saved adapter has the scores of the model in training', () =>
  inFolder(async (cwd) => {
    writeFileSync(join(cwd, 'words.json'), JSON.stringify(recipe))
    const made = await condlora(['reproduce', '--recipe', 'words.json', '--output', 'out', '--methods', names.join(',')], { cwd })
    assert.is(made.code, 0, made.err)
    for (const [name, { keys, trained }] of Object.entries(wanted)) {
      const run = `out/words/${name}/seed-1`
      const config = readJson(cwd, run, 'adapter/adapter_config.json')
      assert.equal(Object.fromEntries(Object.keys(keys).map((key) => [key, config[key]])), keys, name)
      const { test: measured, parameters } = readJson(cwd, run, 'result.json')
      assert.is(parameters.adapter, trained, JSON.stringify([name, parameters]))
      const { code, out, err } = await condlora(['predict', run, '--json', '--file', 'dev.csv'], { cwd })
      assert.is(code, 0, `${name}: ${err}`)
      const losses = jsonLines(out).map(({ label, score }, i) => -Math.log(label === truth[i] ? +score : 1 - +score))
      assert.is(losses.length, truth.length)
      const loss = losses.reduce((sum, each) => sum + each) / losses.length
      assert.ok(Math.abs(loss - measured.evalLoss) < 1e-5, `${name}: predict ${loss}, in training ${measured.evalLoss}`)
    }
  }))

test('a method’s own flags, and its learning rate where none is given', () =>
  inFolder(async (cwd) => {
    const own = trainArgs.filter((arg) => arg !== '--lr' && arg !== '1e-2')
    const vera = ['--method', 'vera', '--projection-rank', '16', '--target-modules', 'all-linear', '--steps', '1', '--output', 'run']
    const { code, err } = await condlora([...own, ...vera], { cwd })
    assert.is(code, 0, err)
    const { method, projectionRank, dropout, targetModules, rank, alpha, learningRate } = readJson(cwd, 'run/config.json')
    assert.equal(
      [method, projectionRank, dropout, targetModules, rank, alpha, learningRate],
      ['vera', 16, 0, ['all-linear'], undefined, undefined, 5e-3],
    )
    // What another method in its config.json has is not used.
    const again = await condlora(['train', '--config', 'run/config.json', '--method', 'full', '--output', 'full'], { cwd })
    assert.is(again.code, 0, again.err)
    assert.equal(
      ['projectionRank', 'targetModules', 'method'].map((key) => readJson(cwd, 'full/config.json')[key]),
      [undefined, undefined, 'full'],
    )
  }))
