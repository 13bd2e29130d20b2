import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, test } from '../harness'
import { condlora, csv, inFolder, jsonLines, readJson, trainArgs } from './command'

test('train, evaluate, predict: the run folder holds all, and the adapter read back gives the same metrics', () =>
  inFolder(async (cwd) => {
    const run = await condlora([...trainArgs, '--epochs', '2', '--logging-steps', '2', '--output', 'run', '--json'], { cwd })
    assert.is(run.code, 0, run.err)
    const result = JSON.parse(run.out)
    assert.is(result.steps, 12)
    assert.ok(result.metrics.evalLoss > 0)
    const held = ['adapter', 'checkpoint-12', 'checkpoint-6', 'config.json', 'metrics.jsonl', 'report.html']
    assert.equal(readdirSync(join(cwd, 'run')).sort(), held)

    const config = readJson(cwd, 'run/config.json')
    assert.equal([config.method, config.rank, config.labels, config.seed, config.learningRate], ['condlora', 8, ['ham', 'spam'], 42, 0.01])
    for (const key of ['condlora', 'node', 'webgpu', 'adapter']) assert.type(config.about[key], 'string', key)
    const lines = jsonLines(readFileSync(join(cwd, 'run/metrics.jsonl'), 'utf8'))
    const told = lines.map(({ event, step }) => `${event} ${step}`)
    assert.equal(told, ['log 2', 'log 4', 'log 6', 'evaluate 6', 'log 8', 'log 10', 'log 12', 'evaluate 12'])
    assert.is(lines.at(-1)?.evalLoss, result.metrics.evalLoss)

    const evaluated = await condlora(['evaluate', 'run', '--json'], { cwd })
    assert.is(evaluated.code, 0, evaluated.err)
    assert.is(JSON.parse(evaluated.out).evalLoss, result.metrics.evalLoss)
    const apart = await condlora(['evaluate', '--model', 'tiny', '--adapter-folder', 'run/adapter', '--data', 'dev.csv', '--json'], { cwd })
    assert.is(JSON.parse(apart.out).evalLoss, result.metrics.evalLoss)

    const predicted = await condlora(['predict', 'run', '--json', '--file', 'dev.csv'], { cwd })
    const rows = jsonLines(predicted.out)
    assert.is(rows.length, 12)
    const wanted = csv(12, 9)
      .split('\n')
      .slice(1, -1)
      .map((line) => line.split(','))
    const right = rows.filter(({ text, label }, i) => text === wanted[i][0] && label === wanted[i][1])
    assert.is(right.length / 12, result.metrics.evalAccuracy)
    const plain = await condlora(['predict', 'run'], { cwd, input: 'we see money\n\nthe green house\n' })
    assert.match(plain.out, /^(ham|spam)\t[01]\.\d{4}\twe see money\n(ham|spam)\t[01]\.\d{4}\tthe green house\n$/)
  }))

test('the report stands alone: nothing loads, nothing runs, text is escaped, tags are balanced', () =>
  inFolder(async (cwd) => {
    writeFileSync(join(cwd, 'train.csv'), csv(24, 3).replaceAll(',spam', ',<script>alert(1)</script>'))
    const args = ['train', '--model', 'tiny', '--train', 'train.csv', '--validation', 'train.csv', '--output', 'a <b> & "c"', '--quiet']
    const run = await condlora([...args, '--steps', '4', '--logging-steps', '1'], { cwd })
    assert.is(run.code, 0, run.err)
    assert.is(run.err, '')
    const page = readFileSync(join(cwd, 'a <b> & "c"', 'report.html'), 'utf8')
    assert.match(page, /<h1>a &lt;b&gt; &amp; &quot;c&quot;<\/h1>/)
    assert.match(page, /&lt;script&gt;alert\(1\)&lt;\/script&gt;/)
    assert.not.match(page, /<(script|link|iframe|img|object|base)\b/i)
    assert.not.match(page, /\b(src|href|style|on[a-z]+)\s*=|url\(|@import/i)
    const style = /<style>([\s\S]*?)<\/style>/.exec(page)?.[1] ?? ''
    const hash = createHash('sha256').update(style).digest('base64')
    assert.ok(page.includes(`content="default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'"`))
    assert.is(page.match(/<svg/g)?.length, 4)
    assert.equal(unbalanced(page), [])
  }))

/** Tags that do not close in order. */
function unbalanced(page: string): string[] {
  const open: string[] = []
  for (const [, end, name, self] of page
    .replace(/<!doctype html>/, '')
    .matchAll(/<(\/?)([a-z][\w-]*)(?:[^<>"']|"[^"]*"|'[^']*')*?(\/?)>/gi)) {
    if (self || name === 'meta') continue
    if (!end) open.push(name)
    else if (open.at(-1) === name) open.pop()
    else return [...open, `/${name}`]
  }
  return open
}

test('a config file gives the settings, flags win, and a run’s own config.json repeats it to the same bytes', () =>
  inFolder(async (cwd) => {
    const file = { model: 'tiny', train: 'train.csv', method: 'lora', rank: 4, maxSteps: 9, perDeviceTrainBatchSize: 4 }
    writeFileSync(join(cwd, 'settings.json'), JSON.stringify(file))
    const first = await condlora(['train', '--config', 'settings.json', '--steps', '3', '--seed', '7', '--output', 'a'], { cwd })
    assert.is(first.code, 0, first.err)
    const config = readJson(cwd, 'a/config.json')
    assert.equal([config.method, config.rank, config.maxSteps, config.seed], ['lora', 4, 3, 7])
    const again = await condlora(['train', '--config', 'a/config.json', '--output', 'b'], { cwd })
    assert.is(again.code, 0, again.err)
    const adapter = (run: string) => readFileSync(join(cwd, run, 'adapter/adapter_model.safetensors'))
    assert.ok(adapter('a').equals(adapter('b')))
    const other = await condlora(['train', '--config', 'a/config.json', '--method', 'head', '--output', 'a', '--overwrite'], { cwd })
    assert.is(other.code, 0, other.err)
    const { method, rank } = readJson(cwd, 'a/config.json')
    assert.equal([method, rank], ['head', undefined])
  }))

test('the kernels of a run are in its config.json and its checkpoints, and a config file that tells some is obeyed', () =>
  inFolder(async (cwd) => {
    const args = ['train', '--model', 'tiny', '--train', 'train.csv', '--steps', '3', '--batch-size', '4', '--save-steps', '2']
    const usual = await condlora([...args, '--no-tune', '--output', 'a'], { cwd })
    assert.is(usual.code, 0, usual.err)
    assert.match(
      usual.err,
      /^first step after [\d.]+ s: \d+ pipelines in [\d.]+ s, self-test [\d.]+ s \((known|\d+ kernels)\), tuning 0\.0 s$/m,
    )
    const config = readJson(cwd, 'a/config.json')
    assert.equal(config.kernels, {})
    const kernels = { 'A·Bᵀ 48×20×20 +bias': 'plain' }
    writeFileSync(join(cwd, 'told.json'), JSON.stringify({ ...config, tune: true, kernels }))
    const told = await condlora(['train', '--config', 'told.json', '--output', 'b'], { cwd })
    assert.is(told.code, 0, told.err)
    for (const file of ['b/config.json', 'b/checkpoint-2/trainer_state.json']) assert.equal(readJson(cwd, file).kernels, kernels, file)
    const adapter = (run: string) => readFileSync(join(cwd, run, 'adapter/adapter_model.safetensors'))
    assert.not.ok(adapter('a').equals(adapter('b')), 'other kernels, other bits')
    const again = await condlora(['train', '--resume', 'b', '--no-tune'], { cwd })
    assert.is(again.code, 0, again.err)
    assert.equal(readJson(cwd, 'b/config.json').kernels, kernels, 'the checkpoint knows better than the flag')
    for (const name of ['checkpoint-2', 'checkpoint-3']) rmSync(join(cwd, 'b', name), { recursive: true })
    const before = await condlora(['train', '--resume', 'b', '--json'], { cwd })
    assert.is(before.code, 0, before.err)
    assert.equal([JSON.parse(before.out).steps, readJson(cwd, 'b/config.json').kernels], [3, kernels], 'there is no checkpoint yet')
    const anew = await condlora(['train', '--config', 'b/config.json', '--no-tune', '--output', 'c'], { cwd })
    assert.is(anew.code, 0, anew.err)
    assert.equal(readJson(cwd, 'c/config.json').kernels, {}, 'a flag wins over the file')
  }))

test('numbers to be predicted, text pairs and JSONL', () =>
  inFolder(async (cwd) => {
    const row = (i: number) => JSON.stringify({ a: `we see ${'money '.repeat(i)}`, b: 'the house', y: i / 4 })
    writeFileSync(join(cwd, 'rows.jsonl'), Array.from({ length: 8 }, (_, i) => row(i)).join('\n'))
    const columns = ['--text', 'a', '--text-pair', 'b', '--label', 'y']
    const args = ['train', '--model', 'tiny', '--train', 'rows.jsonl', '--validation', 'rows.jsonl', '--steps', '2', '--output', 'run']
    const run = await condlora([...args, ...columns, '--json'], { cwd })
    assert.is(run.code, 0, run.err)
    assert.ok('evalPearson' in JSON.parse(run.out).metrics)
    const { out } = await condlora(['predict', 'run', '--pairs', '--json', 'we see money', 'the house'], { cwd })
    const [{ text, pair, score }] = jsonLines(out)
    assert.equal([text, pair, typeof score], ['we see money', 'the house', 'number'])
  }))

test('info tells the adapters; --adapter takes one by a part of its name', () =>
  inFolder(async (cwd) => {
    const { code, out, err } = await condlora(['info', '--json'], { cwd })
    assert.is(code, 0, err)
    const [first] = JSON.parse(out).adapters
    assert.ok(first.name && first.limits.maxBufferSize >= 2 ** 28, out)
    const text = await condlora(['info', '--adapter', first.name.toUpperCase()], { cwd })
    assert.match(text.out, /computes on +(the processor|a GPU)/)
    const args = [...trainArgs, '--steps', '1', '--output', 'run', '--adapter']
    const chosen = await condlora([...args, first.name.slice(0, 8).toLowerCase()], { cwd })
    assert.is(chosen.code, 0, chosen.err)
    const none = await condlora([...args, 'no such GPU', '--overwrite'], { cwd })
    assert.is(none.code, 1)
    assert.match(none.err, /adapter: wanted one whose name contains "no such GPU", got 0 of: /)
    assert.ok(existsSync(join(cwd, 'run/report.html')), 'the earlier run is still there')
  }))

test('info --plan: a step of a model of which the configuration alone is there', () =>
  inFolder(async (cwd) => {
    rmSync(join(cwd, 'tiny/model.safetensors'))
    const args = ['info', '--plan', 'tiny', '--method', 'lora', '--batch-size', '2', '--max-length', '16']
    const { code, out, err } = await condlora([...args, '--json'], { cwd })
    assert.is(code, 0, err)
    const { rows, tokens, dispatches, flops, bytes, memory, kernels } = JSON.parse(out)
    assert.equal([rows, tokens], [2, 16])
    assert.ok(dispatches > 50 && flops > 1e6 && bytes > 1e5 && memory.model > 0 && memory.step > 0, out)
    const text = await condlora(args, { cwd })
    assert.match(text.out, /^A step of 2 rows of 16 tokens on /)
    assert.match(
      text.out,
      new RegExp(`\\n${dispatches} dispatches of \\d+ pipelines, [\\d.]+ GFLOP, .* read and written\\nmemory: .* for the step\\n`),
    )
    assert.is(
      text.out.split('\n').filter((line) => /^[a-z][\w.]+ +\d+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+$/i.test(line)).length,
      kernels.length + 1,
    )
    for (const [wrong, message] of [
      [['info', '--rank', '4'], /--rank: belongs to --plan/],
      [[...args, '--max-length', '65'], /--max-length: tiny takes at most 64 tokens, got 65/],
    ] as const) {
      const told = await condlora([...wrong], { cwd })
      assert.is(told.code, 2)
      assert.match(told.err, message)
    }
  }))

test('help: every command has examples, and every flag is told', async () => {
  const cwd = '.'
  const all = await condlora(['--help'], { cwd })
  assert.is(all.code, 0)
  for (const name of ['info', 'train', 'evaluate', 'predict']) {
    assert.match(all.out, new RegExp(`\\n  ${name} `))
    const one = await condlora(['help', name], { cwd })
    assert.is(one.code, 0)
    assert.match(one.out, new RegExp(`Examples:\\n  \\$ condlora ${name}`))
  }
  const { out } = await condlora(['train', '--help'], { cwd })
  for (const name of ['num-train-epochs', 'learning-rate', 'resume', 'config', 'target-modules', 'memory-limit', 'text-pair'])
    assert.match(out, new RegExp(`--${name} <`))
  const nothing = await condlora([], { cwd })
  assert.is(nothing.code, 2)
  assert.match(nothing.err, /Usage: condlora/)
  assert.match((await condlora(['--version'], { cwd })).out, /^\d+\.\d+\.\d+\n$/)
})
