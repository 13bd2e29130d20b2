// Where the command takes its rows from: GLUE's tasks, parquet, data sets on the hub, files larger than memory.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { assert, test } from '../harness'
import { wordTask } from '../tiny'
import { condlora, csv, inFolder, jsonLines, readJson } from './command'
import { bytes, commit, withHub } from './hub_fixture'

const args = ['train', '--model', 'tiny', '--lr', '1e-2', '--batch-size', '4', '--output', 'run', '--json']
const failed = async (cwd: string, more: string[], code: number, message: RegExp) => {
  const { code: got, err } = await condlora([...args, ...more], { cwd })
  assert.is(got, code, err)
  assert.match(err, message)
  assert.is(err.split('\n').length, 2, `one line: ${err}`)
}

/** Rows of the word task in the columns of a GLUE task. */
function sentences(rows: number, seed: number): Uint8Array {
  const { rows: found } = wordTask(rows, seed)
  const label = found.map((row) => BigInt(row.label ?? -1))
  const sentence = found.map((row) => row.text)
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: 'sentence', data: sentence, type: 'STRING' },
        { name: 'label', data: label, type: 'INT64' },
      ],
    }),
  )
}

test('--task: columns, classes and metric are the task’s; the run knows where its rows are', () =>
  inFolder(async (cwd) => {
    mkdirSync(join(cwd, 'glue/cola'), { recursive: true })
    for (const [split, rows] of [['train', 40] as const, ['validation', 12] as const])
      writeFileSync(join(cwd, `glue/cola/${split}-00000-of-00001.parquet`), sentences(rows, rows))
    const run = await condlora([...args, '--task', 'cola', '--data', 'glue', '--split', 'paper', '--epochs', '1'], { cwd })
    assert.is(run.code, 0, run.err)
    assert.is(JSON.parse(run.out).steps, 9, '36 of 40 rows, 4 are for validation')
    const config = readJson(cwd, 'run/config.json')
    assert.equal([config.task, config.split, config.metricForBestModel], ['cola', 'paper', 'evalMatthews'])
    assert.equal([config.text, config.labels, config.numLabels], [undefined, undefined, undefined])

    const evaluated = await condlora(['evaluate', 'run', '--json'], { cwd })
    const { data, rows, evalLoss } = JSON.parse(evaluated.out)
    assert.equal([data, rows, evalLoss], ['cola validation', 4, JSON.parse(run.out).metrics.evalLoss])
    const tested = await condlora(['evaluate', 'run', '--on', 'test', '--json'], { cwd })
    assert.is(JSON.parse(tested.out).rows, 12, tested.err)
    const { code, err } = await condlora(['evaluate', 'run', '--on', 'dev'], { cwd })
    assert.equal([code, err], [2, 'condlora: --on: wanted one of train, validation, test, got dev\n'])
    const predicted = await condlora(['predict', 'run', '--json', 'we see money'], { cwd })
    assert.match(String(jsonLines(predicted.out)[0].label), /^(un)?acceptable$/)

    const again = await condlora(['train', '--config', 'run/config.json', '--output', 'run-2', '--steps', '2'], { cwd })
    assert.is(again.code, 0, again.err)
    // Rows of one's own in place of the task's.
    const other = [
      'train',
      '--config',
      'run/config.json',
      '--train',
      'train.csv',
      '--validation',
      'dev.csv',
      '--output',
      'run-3',
      '--steps',
      '2',
    ]
    const { code: done, err: said } = await condlora(other, { cwd })
    assert.is(done, 0, said)
    assert.equal([readJson(cwd, 'run-3/config.json').task, readJson(cwd, 'run-3/config.json').labels], [undefined, ['ham', 'spam']])
  }))

test('--task and data sets by their names on the hub', () =>
  inFolder(async (cwd) => {
    const files = { 'wnli/train-00000-of-00001.parquet': sentences(4, 1), 'sst2/train-00000-of-00001.parquet': sentences(16, 1) }
    const glue = { ...files, 'sst2/validation-00000-of-00001.parquet': sentences(8, 2) }
    const parts = { 'data/train-00000-of-00002.parquet': sentences(8, 1), 'data/train-00001-of-00002.parquet': sentences(12, 2) }
    const repos = [
      { id: 'nyu-mll/glue', type: 'dataset' as const, commit, files: glue },
      { id: 'owner/mails', type: 'dataset' as const, commit, files: parts },
      { id: 'owner/readme', type: 'dataset' as const, commit, files: { 'README.md': bytes('#') } },
    ]
    await withHub(repos, async ({ server, cacheDir, downloads }) => {
      const env = { HF_ENDPOINT: server.url, HF_HUB_CACHE: cacheDir, HF_HUB_OFFLINE: '0' }
      const task = await condlora([...args, '--task', 'sst2', '--epochs', '1'], { cwd, env })
      assert.is(task.code, 0, task.err)
      assert.is(JSON.parse(task.out).steps, 4)
      assert.ok(downloads().every(({ path }) => !path.includes('wnli')))
      const offline = await condlora(['evaluate', 'run', '--json'], { cwd, env: { ...env, HF_HUB_OFFLINE: '1' } })
      assert.is(JSON.parse(offline.out).rows, 8, offline.err)

      const named = [...args, '--overwrite', '--data', 'owner/mails', '--text', 'sentence', '--epochs', '1']
      const own = await condlora(named, { cwd, env })
      assert.is(own.code, 0, own.err)
      assert.is(JSON.parse(own.out).steps, 5, 'both parts')
      const none = await condlora([...args, '--overwrite', '--data', 'owner/readme'], { cwd, env })
      assert.equal([none.code, none.err.split(': ').slice(0, 2)], [1, ['condlora', 'owner/readme']])
      assert.match(none.err, /there is no train\.csv, .* it holds README\.md\n$/)
    })
  }))

test('parquet: columns by flag, in one part or several, for training, evaluating and predicting', () =>
  inFolder(async (cwd) => {
    mkdirSync(join(cwd, 'rows'))
    for (const part of [0, 1]) writeFileSync(join(cwd, `rows/train-0000${part}-of-00002.parquet`), sentences(10, part + 1))
    writeFileSync(join(cwd, 'rows/validation.parquet'), sentences(8, 5))
    const run = await condlora([...args, '--data', 'rows', '--text', 'sentence', '--epochs', '1'], { cwd })
    assert.is(run.code, 0, run.err)
    assert.is(JSON.parse(run.out).steps, 5)
    const evaluated = await condlora(['evaluate', 'run', '--data', 'rows/validation.parquet', '--json'], { cwd })
    assert.is(JSON.parse(evaluated.out).evalLoss, JSON.parse(run.out).metrics.evalLoss, evaluated.err)
    const predicted = await condlora(['predict', 'run', '--file', 'rows/validation.parquet', '--json'], { cwd })
    assert.is(jsonLines(predicted.out).length, 8, predicted.err)
  }))

test('--streaming: rows come as they are needed; classes are as without it; a stopped run goes on to the same bytes', () =>
  inFolder(async (cwd) => {
    const streamed = [...args.slice(0, -3), '--train', 'train.csv', '--validation', 'dev.csv', '--streaming', '--steps', '8']
    const whole = await condlora([...streamed, '--output', 'whole', '--json'], { cwd })
    assert.is(whole.code, 0, whole.err)
    assert.equal(readJson(cwd, 'whole/config.json').labels, ['ham', 'spam'])
    assert.ok('evalAccuracy' in JSON.parse(whole.out).metrics)
    const watch = (child: { kill(signal: NodeJS.Signals): boolean }, err: string) => {
      if (/checkpoint-3/.test(err)) child.kill('SIGINT')
    }
    const stopped = await condlora([...streamed, '--output', 'stopped', '--save-steps', '3', '--logging-steps', '1'], { cwd, watch })
    assert.ok([0, 130].includes(stopped.code ?? -1), stopped.err)
    const resumed = await condlora(['train', '--resume', 'stopped'], { cwd })
    assert.is(resumed.code, 0, resumed.err)
    const adapter = (run: string) => readFileSync(join(cwd, run, 'adapter/adapter_model.safetensors'))
    assert.ok(adapter('stopped').equals(adapter('whole')))

    writeFileSync(join(cwd, 'numbers.csv'), csv(24, 3).replaceAll(',spam', ',2').replaceAll(',ham', ',0'))
    const numbers = await condlora([...args, '--train', 'numbers.csv', '--streaming', '--steps', '2'], { cwd })
    assert.is(numbers.code, 0, numbers.err)
    assert.is(readJson(cwd, 'run/config.json').numLabels, 3)
    await failed(cwd, ['--train', 'train.csv', '--streaming', '--overwrite'], 2, /--streaming: wants --max-steps/)
  }))

test('flags that say nothing together, and files that lack', () =>
  inFolder(async (cwd) => {
    mkdirSync(join(cwd, 'glue'))
    await failed(cwd, ['--task', 'sst3'], 2, /--task <name>.*Wanted one of cola, sst2/)
    await failed(cwd, ['--task', 'sst2', '--train', 'train.csv'], 2, /--train: says nothing with --task sst2, which has its own/)
    await failed(cwd, ['--task', 'sst2', '--num-labels', '3'], 2, /--num-labels: says nothing with --task sst2/)
    const streamed = ['--train', 'train.csv', '--streaming', '--steps', '2']
    await failed(cwd, [...streamed, '--split', 'paper'], 2, /--split paper: wants all rows at hand/)
    await failed(cwd, ['--task', 'rte', '--data', 'glue'], 1, /GLUE's rte wants rte\/train-00000-of-00001\.parquet or RTE\/train\.tsv/)
    await failed(cwd, ['--task', 'rte', '--data', 'nowhere/at-all'], 1, /there is no folder "nowhere\/at-all", and the hub gave nothing/)
  }))
