import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, test } from '../harness'
import { condlora, inFolder, readJson, trainArgs } from './command'

/** An adapter that computes with half floats, if there is one. */
async function halfAdapter(cwd: string): Promise<string | undefined> {
  const { out } = await condlora(['info', '--json'], { cwd })
  const { adapters } = JSON.parse(out) as { adapters: { name: string; features: string[] }[] }
  return adapters.find(({ features }) => features.includes('shader-f16'))?.name
}

test('--fp16: trains, evaluates, predicts and plans with half floats, and merges in float32; or says why not', () =>
  inFolder(async (cwd) => {
    const adapter = await halfAdapter(cwd)
    const run = (...args: string[]) => condlora([...args, ...(adapter === undefined ? [] : ['--adapter', adapter])], { cwd })
    const trained = await run(...trainArgs, '--fp16', '--steps', '6', '--output', 'run', '--json')
    if (adapter === undefined) {
      assert.is(trained.code, 1, trained.err)
      assert.match(trained.err, /condlora: --fp16: .+ has no shader-f16, and so no half floats: leave --fp16 out .*by --adapter\n$/)
      assert.not(existsSync(join(cwd, 'run')))
      return
    }
    assert.is(trained.code, 0, trained.err)
    assert.is(readJson(cwd, 'run/config.json').fp16, true)
    assert.match(readFileSync(join(cwd, 'run/adapter/README.md'), 'utf8'), /seed 42, frozen weights as half floats \(fp16\)\./)
    assert.match(readFileSync(join(cwd, 'run/report.html'), 'utf8'), /fp16/)

    const { evalLoss } = JSON.parse(trained.out).metrics
    const evaluated = async (...args: string[]) => JSON.parse((await run('evaluate', 'run', '--json', ...args)).out).evalLoss
    assert.is(await evaluated(), evalLoss, 'as it was trained')
    const full = await evaluated('--no-fp16')
    assert.not(full === evalLoss)
    assert.close([full], [evalLoss], 5e-3)
    const predicted = await run('predict', 'run', 'we see money')
    assert.match(predicted.out, /^(ham|spam)\t[01]\.\d{4}\twe see money\n$/)

    const other = await run('train', '--resume', 'run', '--no-fp16')
    assert.match(other.err, /another run: dtype was fp16, is fp32/)
    assert.is((await run('merge', 'run', '--output', 'merged')).code, 0)
    const model = async (...args: string[]) => JSON.parse((await run('info', '--plan', 'tiny', '--json', ...args)).out).memory.model
    const [half, single] = [await model('--fp16'), await model()]
    assert.ok(half < 0.6 * single, `${half} bytes, ${single} in float32`)
  }))

test('--fp16 with --method full is refused before anything is opened', () =>
  inFolder(async (cwd) => {
    const refused = await condlora([...trainArgs, '--fp16', '--method', 'full', '--output', 'run'], { cwd })
    assert.is(refused.code, 2)
    assert.match(refused.err, /^condlora: --fp16: freezes the weights as half floats, and --method full trains them: leave --fp16 out\n$/)
  }))
