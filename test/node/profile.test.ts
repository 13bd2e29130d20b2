import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { assert, test } from '../harness'
import { condlora, inFolder, readJson, trainArgs } from './command'

test('train --profile: a table of the steps, a trace in the run, times finer than Dawn gives unasked', () =>
  inFolder(async (cwd) => {
    const args = [...trainArgs, '--steps', '3', '--output', 'run', '--profile']
    const run = await condlora(args, { cwd })
    assert.is(run.code, 0, run.err)
    assert.match(run.out, /^Kernels of a training step \(mean of 3\)/)
    assert.match(run.out, /\nkernel +dispatches +ms +% +GFLOP\/s +GB\/s\n/)
    assert.match(run.out, /\nlora\.dA +[\d.]+ +[\d.]+ +[\d.]+/)
    // The evaluation at the end is no step.
    const steps = Number(/\nall +([\d.]+)/.exec(run.out)?.[1])
    const { traceEvents, otherData } = readJson(cwd, 'run/profile.json')
    const timed = traceEvents.filter((e: { ph: string; tid: number }) => e.ph === 'X' && e.tid === 1).length
    assert.ok(steps > 50 && 3 * steps < timed, `${steps} dispatches a step, ${timed} in all`)
    assert.ok(otherData.clockResolutionNs > 0 && otherData.clockResolutionNs < 65536, `${otherData.clockResolutionNs} ns`)

    const again = await condlora([...trainArgs, '--steps', '1', '--output', 'run', '--overwrite', '--json'], { cwd })
    assert.is(again.code, 0, again.err)
    assert.is(JSON.parse(again.out).profile, undefined)
    assert.not.ok(existsSync(join(cwd, 'run/profile.json')), 'the trace of a run that was replaced goes with it')
    const json = await condlora([...args, '--overwrite', '--json'], { cwd })
    const { profile } = JSON.parse(json.out)
    assert.is(profile.find((k: { op: string }) => k.op === 'crossEntropy.count').dispatches, 3, 'all three steps were timed')
    assert.ok(profile.some((k: { op: string; seconds: number }) => k.op === 'linear.dx' && k.seconds > 0))
    assert.not.ok('profile' in readJson(cwd, 'run/config.json'))
  }))
