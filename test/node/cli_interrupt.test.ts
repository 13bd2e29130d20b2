import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, test } from '../harness'
import { condlora, inFolder, jsonLines, trainArgs } from './command'

const metrics = (cwd: string, run: string) => {
  const file = join(cwd, run, 'metrics.jsonl')
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

/** What does not depend on the clock. */
const numbers = (cwd: string, run: string) =>
  jsonLines(metrics(cwd, run)).map(({ time: _, samplesPerSecond: __, evalRuntime: ___, evalSamplesPerSecond: ____, ...rest }) => rest)

test('Ctrl-C finishes the step and saves; --resume goes on to the same bytes and the same metrics', () =>
  inFolder(async (cwd) => {
    const args = [...trainArgs, '--epochs', '30', '--logging-steps', '1', '--dropout', '0.1', '--save-strategy', 'no', '--output']
    const whole = await condlora([...args, 'whole'], { cwd })
    assert.is(whole.code, 0, whole.err)
    let sent = false
    const cut = await condlora([...args, 'cut'], {
      cwd,
      watch: (child) => {
        if (!sent && metrics(cwd, 'cut').split('\n').length > 3) sent = child.kill('SIGINT')
      },
    })
    assert.is(cut.code, 130, cut.err)
    assert.match(cut.err, /finishing this step and saving[\s\S]*To go on: condlora train --resume cut\n$/)
    const steps = readdirSync(join(cwd, 'cut')).filter((name) => name.startsWith('checkpoint-'))
    assert.is(steps.length, 1)
    assert.ok(Number(steps[0].slice(11)) < 180, steps[0])
    assert.not.ok(existsSync(join(cwd, 'cut/adapter')))
    const again = await condlora(['train', '--resume', 'cut'], { cwd })
    assert.is(again.code, 0, again.err)
    const adapter = (run: string, file: string) => readFileSync(join(cwd, run, 'adapter', file))
    for (const file of ['adapter_model.safetensors', 'adapter_config.json'])
      assert.ok(adapter('whole', file).equals(adapter('cut', file)), file)
    assert.equal(numbers(cwd, 'cut'), numbers(cwd, 'whole'))
    assert.ok(existsSync(join(cwd, 'cut/report.html')))
  }))

test('a second Ctrl-C stops at once, without a checkpoint', () =>
  inFolder(async (cwd) => {
    // A step of 120 batches: time enough for the second signal.
    const args = [
      ...trainArgs,
      '--accumulation',
      '120',
      '--logging-steps',
      '1',
      '--epochs',
      '50',
      '--save-strategy',
      'no',
      '--output',
      'run',
    ]
    let sent = 0
    const result = await condlora(args, {
      cwd,
      watch: (child, err) => {
        if (sent === 0 && metrics(cwd, 'run')) sent += Number(child.kill('SIGINT'))
        if (sent === 1 && err.includes('finishing this step')) sent += Number(child.kill('SIGINT'))
      },
    })
    assert.is(result.code, 130, `${sent} signals: ${result.err}`)
    assert.not.match(result.err, /stopped and saved/)
    assert.equal(readdirSync(join(cwd, 'run')).sort(), ['config.json', 'metrics.jsonl'])
  }, 480))

test('after a kill, lines of steps that are done again are not doubled', () =>
  inFolder(async (cwd) => {
    const args = [...trainArgs, '--epochs', '3', '--logging-steps', '1', '--output']
    await condlora([...args, 'run'], { cwd })
    const before = numbers(cwd, 'run')
    // As if it had been killed after step 18 was logged and before it was saved, within a line.
    rmSync(join(cwd, 'run/checkpoint-18'), { recursive: true })
    writeFileSync(join(cwd, 'run/metrics.jsonl'), `${metrics(cwd, 'run')}{"event":"log","st`)
    const again = await condlora(['train', '--resume', 'run'], { cwd })
    assert.is(again.code, 0, again.err)
    assert.equal(numbers(cwd, 'run'), before)
  }))

test('Ctrl-C while a merged model is written leaves nothing behind', () =>
  inFolder(async (cwd) => {
    await condlora([...trainArgs, '--steps', '1', '--output', 'run'], { cwd })
    const drafts = () => readdirSync(cwd).filter((name) => name.startsWith('.'))
    let sent = false
    const { code } = await condlora(['merge', 'run', '--output', 'merged'], {
      cwd,
      watch: (child) => {
        if (!sent && drafts().length) sent = child.kill('SIGINT')
      },
    })
    // It may have been done before it heard of it.
    assert.ok(sent && (code === 130 || (code === 0 && existsSync(join(cwd, 'merged/model.safetensors')))), `${sent} ${code}`)
    assert.equal(drafts(), [])
  }))

test('a resume with other settings is refused with what differs, and the run stays as it was', () =>
  inFolder(async (cwd) => {
    await condlora([...trainArgs, '--steps', '2', '--output', 'run'], { cwd })
    const files = () =>
      readdirSync(join(cwd, 'run')).map((name) => [name, name.includes('.') && readFileSync(join(cwd, 'run', name), 'utf8')])
    const before = files()
    const { code, err } = await condlora(['train', '--resume', 'run', '--lr', '1e-3'], { cwd })
    assert.is(code, 1)
    assert.match(err, /condlora: run\/checkpoint-2 belongs to another run: learningRate was 0\.01, is 0\.001.*\n$/)
    assert.equal(files(), before)
  }))
