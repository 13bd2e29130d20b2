import { shaders } from 'condlora:build'
import { guard } from '../../src/doctor'
import { memoryFiles } from '../../src/io'
import type { Trainer, TrainerEvents } from '../../src/train'
import { Startup } from '../../src/train/startup'
import { assert, openTestDevice, test } from '../harness'
import { start } from './start'

type Told = { first: TrainerEvents['firstStep'][]; compiling: TrainerEvents['progress'][]; order: string[] }

/** What a trainer tells of its start. */
async function told(trainer: Trainer): Promise<Told> {
  const all: Told = { first: [], compiling: [], order: [] }
  trainer.on('progress', (event) => event.task === 'compile' && all.compiling.push(event))
  trainer.on('firstStep', (event) => all.first.push(event))
  for (const name of ['begin', 'step', 'firstStep', 'log'] as const) trainer.on(name, () => all.order.push(name))
  await trainer.train()
  return all
}

test('a run tells each pipeline that is compiled, and once what its start took, apart from each other', async () => {
  const device = await openTestDevice({})
  const run = { device, rows: 8, args: { maxSteps: 2 } }
  const { first, compiling, order } = await told(await start(run))
  assert.equal(order, ['begin', 'step', 'firstStep', 'log', 'step', 'log'])
  const [{ seconds, pipelines, compileSeconds, ...others }] = first
  assert.equal(others, { selfTested: 0, selfTestSeconds: 0, tuneSeconds: 0 }, 'nobody guards the device')
  assert.ok(pipelines > 10 && pipelines <= 40, `${pipelines}`)
  assert.ok(compileSeconds > 0 && compileSeconds < seconds, `${compileSeconds} of ${seconds} s`)
  assert.is(compiling.length, pipelines)
  assert.equal(compiling.at(-1), { task: 'compile', done: pipelines, total: pipelines })
  assert.ok(compiling.every(({ done, total }, i) => done === i + 1 && done <= total))

  const again = await told(await start(run))
  assert.equal([again.compiling, again.first[0].pipelines, again.first[0].compileSeconds], [[], 0, 0], 'all are there')
  device.destroy()
})

test('what is checked is told, and what is measured', async () => {
  const device = await openTestDevice({})
  guard(device)
  const plain = await told(await start({ device, rows: 8, args: { maxSteps: 1 } }))
  const [{ pipelines, selfTested, selfTestSeconds, tuneSeconds }] = plain.first
  assert.equal([selfTested, tuneSeconds], [pipelines, 0])
  assert.ok(selfTestSeconds > 0)
  const tuned = await told(await start({ device, rows: 8, cache: memoryFiles('cache'), args: { maxSteps: 1, tune: true } }))
  const [now] = tuned.first
  assert.ok(now.tuneSeconds > 0 && now.tuneSeconds < now.seconds, JSON.stringify(now))
  device.destroy()
})

test('what tuning compiles and checks is no part of the rest', async () => {
  const device = await openTestDevice({})
  const { kernels, selfTest } = device
  const startup = new Startup(device, () => {})
  const result = await startup.tuning(async () => {
    await kernels.get('a', shaders.elementwise, 'main', { FORM: 0 }).pipeline
    selfTest.kernels += 2
    selfTest.ms += 9000
    return 'tuned'
  })
  assert.is(result, 'tuned')
  selfTest.kernels++
  selfTest.ms += 500
  const { seconds, tuneSeconds, ...others } = startup.end()
  assert.equal(others, { pipelines: 1, compileSeconds: 0, selfTested: 1, selfTestSeconds: 0.5 })
  assert.ok(tuneSeconds > 0 && tuneSeconds <= seconds)
  device.destroy()
})

test('a run that ends before its first step tells nothing of later ones', async () => {
  const device = await openTestDevice({})
  const trainer = await start({ device, rows: 8 })
  const signal = AbortSignal.abort(new Error('enough'))
  let heard = 0
  trainer.on('firstStep', () => heard++)
  await assert.rejects(trainer.train({ signal }), /enough/)
  assert.is(heard, 0)
  assert.is(device.kernels.heard, null)
  device.destroy()
})
