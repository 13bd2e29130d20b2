import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { planRuns, runSettings } from '../../src/cli/reproduce/plan'
import { rte } from '../cli/recipe_case'
import { assert, test } from '../harness'
import { bin, condlora, inFolder, readJson } from './command'

const settings = { train: 'train.csv', validation: 'dev.csv', model: 'tiny', rank: 4, perDeviceTrainBatchSize: 4, numTrainEpochs: 2 }
const recipe = {
  title: 'words',
  metric: 'accuracy',
  seeds: 2,
  search: { low: 1e-3, high: 1e-1, trials: 2 },
  settings: { ...settings, loadBestModelAtEnd: true, saveTotalLimit: 1 },
  learningRates: { condlora: 0.02 },
  reported: { by: 'a friend', lora: 90.5 },
}

const write = (cwd: string, value: object) => writeFileSync(join(cwd, 'words.json'), JSON.stringify(value))
const args = ['reproduce', '--recipe', 'words.json', '--output', 'out']
const runs = ['lora/trial-1', 'lora/trial-2', 'lora/seed-1', 'lora/seed-2', 'condlora/seed-1', 'condlora/seed-2'].map(
  (run) => `out/words/${run}`,
)

interface Results {
  results: {
    cells: { method: string; learningRate: number; trials: object[]; seeds: { seed: number; value: number }[] }[]
    tests: object[]
  }[]
}

test('reproduce: killed within a run it goes on with that run, and ends with the numbers of one that was never stopped', () =>
  inFolder(async (cwd) => {
    write(cwd, recipe)
    const methods = ['--methods', 'lora,condlora']
    let sent = false
    const killed = await condlora([...args, ...methods], {
      cwd,
      watch: (child) => {
        // Within the third run.
        if (!sent && existsSync(join(cwd, runs[2], 'metrics.jsonl'))) sent = child.kill('SIGKILL')
      },
    })
    assert.is(killed.code, 137, killed.err)
    assert.not.ok(existsSync(join(cwd, 'out/results.json')))
    const times = runs.slice(0, 2).map((run) => statSync(join(cwd, run, 'result.json')).mtimeMs)

    const gone = await condlora([...args, ...methods, '--json'], { cwd })
    assert.is(gone.code, 0, gone.err)
    assert.equal(
      runs.slice(0, 2).map((run) => statSync(join(cwd, run, 'result.json')).mtimeMs),
      times,
      'runs that had ended are not done again',
    )
    const whole = await condlora([...args.slice(0, -1), 'whole', ...methods, '--json'], { cwd })
    const [one, other] = [gone, whole].map(({ out }) => JSON.parse(out) as Results)
    assert.equal(one.results, other.results)
    const [lora, condloraCell] = one.results[0].cells
    assert.equal([lora.method, lora.trials.length, lora.seeds.length], ['lora', 2, 2])
    assert.equal([condloraCell.method, condloraCell.learningRate, condloraCell.trials], ['condlora', 0.02, []])
    assert.is(one.results[0].tests.length, 1)

    // What the table says is what the runs say, and what evaluate says of their adapters.
    const { test: measured, settings: made } = readJson(cwd, runs[5], 'result.json')
    assert.is(condloraCell.seeds[1].value, 100 * measured.evalAccuracy)
    assert.equal([made.seed, made.split, made.learningRate, made.metricForBestModel], [2, 'paper', 0.02, 'evalAccuracy'])
    const evaluated = await condlora(['evaluate', runs[5], '--on', 'test', '--json'], { cwd })
    assert.equal([JSON.parse(evaluated.out).rows, JSON.parse(evaluated.out).evalLoss], [12, measured.evalLoss], evaluated.err)
    const own = await condlora(['evaluate', runs[5], '--json'], { cwd })
    assert.is(JSON.parse(own.out).rows, 2, 'a tenth of 24 rows')
    for (const run of runs) assert.not.ok(existsSync(join(cwd, run, 'checkpoint-12')), 'a run that has ended keeps no checkpoint')

    const again = await condlora([...args, ...methods], { cwd })
    assert.match(again.out, /^\| +\| +trained numbers \| +words, accuracy \|\n[\s\S]*\n\| LoRA [\s\S]*\n\| – a friend +\| +\| +90\.5 \|\n/)
    assert.match(again.out, /\n\| CondLoRA − LoRA +\| +\| +[+−]?\d+\.\d.* \|\n/)
    assert.is(readFileSync(join(cwd, 'out/table.md'), 'utf8'), `${again.out.split('\nout: ')[0]}\n`)
    assert.match(readFileSync(join(cwd, 'out/figure.svg'), 'utf8'), /^<svg[\s\S]*CondLoRA[\s\S]*<\/svg>$/)

    write(cwd, { ...recipe, learningRates: { condlora: 0.03 } })
    const changed = await condlora([...args, ...methods], { cwd })
    assert.equal(
      [changed.code, changed.err.split('\n').at(-2)],
      [1, 'condlora: out/words/condlora/seed-1: was made with learningRate 0.02, wanted 0.03: choose another --output, or remove it'],
    )
  }))

test('reproduce: Ctrl-C finishes the step and saves; the same command goes on', () =>
  inFolder(async (cwd) => {
    write(cwd, { ...recipe, settings: { ...settings, numTrainEpochs: 30 }, seeds: 1 })
    let sent = false
    const command = [...args, '--methods', 'condlora']
    const metrics = join(cwd, runs[4], 'metrics.jsonl')
    const cut = await condlora(command, {
      cwd,
      watch: (child) => {
        if (!sent && existsSync(metrics) && readFileSync(metrics, 'utf8').split('\n').length > 3) sent = child.kill('SIGINT')
      },
    })
    assert.is(cut.code, 130, cut.err)
    assert.match(cut.err, /finishing this step and saving[\s\S]*To go on, give the same command again\n$/)
    assert.not.ok(existsSync(join(cwd, runs[4], 'result.json')))
    const logged = readFileSync(metrics, 'utf8').split('\n')[0]
    const done = await condlora(command, { cwd })
    assert.is(done.code, 0, done.err)
    assert.is(readFileSync(metrics, 'utf8').split('\n')[0], logged, 'it did not begin anew')
    assert.is(readJson(cwd, runs[4], 'result.json').steps, 180)
  }))

test('reproduce: a learning rate that makes numbers overflow is a trial that failed, not the end', () =>
  inFolder(async (cwd) => {
    const search = { low: 1e-20, high: 1e95, trials: 2 }
    write(cwd, { ...recipe, search, seeds: 1 })
    const { code, err } = await condlora([...args, '--methods', 'lora'], { cwd })
    assert.is(code, 0, err)
    assert.match(err, /step \d+: loss .* are not finite in float32/)
    const trials = [1, 2].map((n) => readJson(cwd, `out/words/lora/trial-${n}/result.json`))
    const rates = trials.map(({ settings: made }) => made.learningRate as number)
    const failed = trials.findIndex(({ validation }) => validation === null)
    assert.ok(rates[failed] > 1e3, `${rates}`)
    assert.is(readJson(cwd, 'out/words/lora/seed-1/result.json').settings.learningRate, rates[1 - failed])
  }))

test('reproduce --plan: runs, steps and a forecast, without a trace; counts alone where the data are not here', () =>
  inFolder(async (cwd) => {
    write(cwd, recipe)
    const planned = await condlora([...args, '--plan', '--json'], { cwd })
    assert.is(planned.code, 0, planned.err)
    const { runs: count, plan } = JSON.parse(planned.out)
    assert.is(count, 14)
    // 22 rows to train on, 2 to validate on.
    const lines = plan.map(({ seconds, learningRates, ...rest }: { seconds: number; learningRates: number[] }) => {
      assert.ok(seconds > 0)
      return { ...rest, rates: learningRates.length }
    })
    const common = { task: 'words', stepsPerRun: 12, seeds: 2 }
    assert.equal(lines, [
      { ...common, method: 'head', trials: 2, rowsTrained: 176, rowsEvaluated: 16, rates: 2 },
      { ...common, method: 'lora', trials: 2, rowsTrained: 176, rowsEvaluated: 16, rates: 2 },
      { ...common, method: 'condlora', trials: 0, rowsTrained: 88, rowsEvaluated: 8, rates: 1 },
      { ...common, method: 'full', trials: 2, rowsTrained: 176, rowsEvaluated: 16, rates: 2 },
    ])
    assert.not.ok(existsSync(join(cwd, 'out')))

    const all = ['mnli', 'sst2', 'mrpc', 'cola', 'qnli', 'qqp', 'rte', 'stsb', 'wnli', 'spam']
    const glue = await condlora(['reproduce', ...all, '--plan', '--data', 'nowhere'], { cwd })
    assert.is(glue.code, 0, glue.err)
    for (const line of [
      /\| mnli \| +CondLoRA \| +0 \| +3 \| +1,104,500 \|.*\| +– \| +0\.000105521999043283 \|/,
      /\| stsb \| +LoRA \| +0 \| +3 \| +32,400 \|.*\| +– \| +0\.00161048057994754 \|/,
      /\| rte \| +full fine-tuning \| +0 \| +3 \|.*\| +– \| +0\.00002 \|/,
      /\| wnli \| +head only \| +5 \| +3 \| +3,600 \|.*\| search: (\d\.\de-\d ?){5} \|/,
    ])
      assert.match(glue.out.replaceAll(/ +\|/g, ' |'), line)
    assert.match(glue.out, /\n\d+ runs\. mnli: no forecast of the time: there is no folder "nowhere"/)
  }))

test('reproduce: what is wrong in a recipe or a flag is told in one line', () =>
  inFolder(async (cwd) => {
    const wrong: [object, RegExp][] = [
      [{ ...recipe, metrics: 'f1' }, /words\.json: Unrecognized key: "metrics"/],
      [{ ...recipe, metric: 'pearson' }, /words\.json: metric: wanted one of accuracy, f1, matthews for this task, got pearson/],
      [{ ...recipe, seeds: 0 }, /words\.json: seeds: wanted .*, got 0/],
      [{ ...recipe, settings: { ...settings, seed: 3 } }, /words\.json: settings\.seed: is no part of a recipe, each run gets its own/],
      [{ ...recipe, settings: { ...settings, epochs: 3 } }, /words\.json: Unrecognized key: "settings\.epochs"/],
      [{ ...recipe, settings: { train: 'train.csv' } }, /words\.json: settings\.model: is missing/],
      [{ ...recipe, search: { low: 2, high: 1, trials: 3 } }, /words\.json: search: wanted low below high, got 2 and 1/],
      [{ ...recipe, learningRates: { lore: 1 } }, /words\.json: .*lore/],
      [{ ...recipe, settings: { ...settings, task: 'rte' } }, /words\.json: settings\.train: says nothing with .*task rte/],
    ]
    for (const [value, message] of wrong) {
      write(cwd, value)
      const { code, err } = await condlora(args, { cwd })
      assert.is(code, 2, err)
      assert.match(err, message)
      assert.is(err.split('\n').length, 2, `one line: ${err}`)
    }
    write(cwd, { ...recipe, settings: { ...settings, validation: undefined } })
    const commands: [string[], RegExp][] = [
      [['reproduce'], /wanted a task \(mnli, .*\) or --recipe FILE/],
      [['reproduce', 'sst3'], /there is no recipe sst3; wanted some of mnli, /],
      [['reproduce', 'rte', 'rte'], /the task rte is given twice/],
      [[...args, '--methods', 'lora,ia3'], /--methods: wanted some of head, bitfit, lora, dora, .*, full, got ia3/],
      [[...args, '--methods', 'head', '--trials', '0'], /--trials 0: the recipe words has no learning rate for head only/],
      [[...args, '--quiet'], /words: there are no rows to test on/],
    ]
    for (const [command, message] of commands) {
      const { code, err } = await condlora(command, { cwd })
      assert.is(code, 2, err)
      assert.match(err, message)
    }
    assert.ok(existsSync(join(bin, '../recipes/sst2.json')), 'recipes come with the command')
  }))

test('the plan: a search where no learning rate is known, the same steps and rows for each run', () => {
  const methods = ['head', 'lora', 'condlora'] as const
  const runs = planRuns(rte, 2490, { methods: [...methods] })
  const count = (method: string, kind: string) => runs.filter((run) => run.method === method && run.kind === kind).length
  assert.equal(
    methods.map((method) => [count(method, 'trial'), count(method, 'seed')]),
    [
      [4, 3],
      [0, 3],
      [4, 3],
    ],
  )
  // 249 rows to validate on, 2,241 to train on: 141 steps an epoch.
  assert.equal(runs[0].cost, { steps: 1410, trained: 22410, evaluated: 2490 })
  assert.equal(
    planRuns(rte, 2490, { methods: ['lora'], trials: 2, seeds: 1 }).map(({ folder }) => folder),
    ['rte/lora/trial-1', 'rte/lora/trial-2', 'rte/lora/seed-1'],
  )
  assert.throws(
    () => planRuns(rte, 2490, { methods: ['head'], trials: 0 }),
    /--trials 0: the recipe rte has no learning rate for head only/,
  )
  const [trial] = runs
  const seed = runs.filter(({ method }) => method === 'condlora').at(-1) as (typeof runs)[number]
  const common = { model: 'm', perDeviceTrainBatchSize: 16, numTrainEpochs: 10, evalStrategy: 'epoch', split: 'paper' }
  const chosen = { metricForBestModel: 'evalAccuracy', greaterIsBetter: true, learningRate: 0.001 }
  assert.equal(runSettings(trial, 0.001), { ...common, ...chosen, method: 'head', seed: 42 }, 'a trial is judged by how it ends')
  assert.equal(runSettings(seed, 0.001), {
    ...{ ...common, ...chosen, method: 'condlora', seed: 3, rank: 4, dropout: 0.1, conversion: 'code' },
    ...{ earlyStoppingPatience: 3, loadBestModelAtEnd: true },
  })
})
