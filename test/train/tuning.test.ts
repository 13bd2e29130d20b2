import { deviceKey } from '../../src/gpu/identity'
import { memoryFiles } from '../../src/io'
import { keep } from '../../src/io/keyed'
import { usual } from '../../src/ops/gemm_kernels'
import { type Choices, shapeName, variants } from '../../src/ops/gemm_variants'
import { trainingArguments } from '../../src/train/arguments'
import { Engine } from '../../src/train/engine'
import { evenBatch } from '../../src/train/step_plan'
import { budgetOf, tune } from '../../src/train/tuning'
import { assert, openTestDevice, test } from '../harness'
import { adapted, bytes, losses, type Run, small, start } from './start'

/** The products of a step: for each shape its variants, the usual one first. */
async function products(): Promise<{ engine: Engine; record: () => Promise<unknown>; shapes: Map<string, string[]> }> {
  const model = await adapted()
  const engine = new Engine(model, trainingArguments(small))
  const record = () => engine.program.plan('first', evenBatch(model.base.config, 4, 12))
  const shapes = new Map<string, string[]>()
  engine.program.choose((job) => {
    shapes.set(shapeName(job), [usual(job), ...variants(job)])
    return undefined
  })
  await record()
  engine.program.choose(null)
  return { engine, record, shapes }
}

/** For each shape another kernel than the usual, where there is one; and the usual ones. */
async function tables(): Promise<{ others: Choices; usual: Choices }> {
  const { engine, shapes } = await products()
  engine.dispose()
  const pick = (of: (names: string[]) => string) => Object.fromEntries([...shapes].map(([shape, names]) => [shape, of(names)]))
  return { others: pick(([own, ...all]) => all.find((name) => name !== own) ?? own), usual: pick(([own]) => own) }
}

const state = async (files: ReturnType<typeof memoryFiles>, step: number) =>
  JSON.parse(new TextDecoder().decode(await files.read(`checkpoint-${step}/trainer_state.json`))) as { kernels: Choices }

test('a run goes on with the kernels of its checkpoint, whatever cache and arguments say, to the same bytes', async () => {
  const { others, usual } = await tables()
  const run = {
    model: { hidden_dropout_prob: 0.1 },
    args: { saveSteps: 3, maxSteps: 6, evalStrategy: 'steps', evalSteps: 2, tune: true },
  } as const
  const told = (kernels: Choices, more: Partial<Run> = {}) => start({ ...run, ...more, args: { ...run.args, kernels } })
  const files = memoryFiles('run')
  const whole = await told(others, { files })
  let heard: Choices = {}
  whole.on('begin', ({ kernels, text }) => {
    heard = kernels
    assert.match(text, /kernels: chosen for \d+ shapes of products/)
  })
  await whole.train()
  assert.equal(heard, others)
  assert.equal((await state(files, 3)).kernels, others)

  const plain = await told(usual)
  await plain.train()
  assert.not.equal(await bytes(plain), await bytes(whole), 'other kernels, other bits')

  const half = memoryFiles('half')
  for (const name of await files.list()) if (name.startsWith('checkpoint-3/')) await half.write(name, await files.read(name))
  const cache = memoryFiles('cache')
  await keep(cache, 'tuner.json', deviceKey(await openTestDevice()), usual)
  for (const args of [{ tune: true }, { tune: false }, { kernels: usual }]) {
    const again = await start({ ...run, files: half, cache, args: { ...run.args, ...args } })
    await again.train({ resumeFromCheckpoint: 'checkpoint-3' })
    assert.equal(await bytes(again), await bytes(whole), JSON.stringify(Object.keys(args)))
    assert.equal(losses(again), losses(whole))
    assert.equal(
      again.logHistory.map((e) => e.evalLoss),
      whole.logHistory.map((e) => e.evalLoss),
    )
  }
})

test('a run that was not tuned goes on untuned, from files that know nothing of kernels too', async () => {
  const { others } = await tables()
  const args = { saveSteps: 2, maxSteps: 4 }
  const files = memoryFiles('run')
  const whole = await start({ files, args })
  await whole.train()
  const old = JSON.parse(new TextDecoder().decode(await files.read('checkpoint-2/trainer_state.json')))
  assert.equal(old.kernels, {})
  old.kernels = undefined
  await files.write('checkpoint-2/trainer_state.json', new TextEncoder().encode(JSON.stringify(old)))
  const again = await start({ files, args: { ...args, tune: undefined, kernels: others } })
  await again.train({ resumeFromCheckpoint: 'checkpoint-2' })
  assert.equal(await bytes(again), await bytes(whole))
})

test('products of a step are measured once: later the cache tells; without time nothing is chosen or kept', async () => {
  const { engine, record, shapes } = await products()
  const { program } = engine
  const cache = memoryFiles('cache')
  const said: string[] = []
  assert.equal(await tune(program, { record, budget: () => 0, cache, notice: (text) => said.push(text) }), {})
  assert.is(said.length, 1)
  assert.match(
    said[0],
    new RegExp(`^tune: nothing better .* was found for 0 shapes of products; for ${shapes.size} more there was no time$`),
  )
  assert.equal(await cache.list(), [])
  const steps: number[] = []
  const budget = (step: number) => {
    steps.push(step)
    return Number.POSITIVE_INFINITY
  }
  const choices = await tune(program, { record, budget, cache })
  assert.equal(Object.keys(choices).sort(), [...shapes.keys()].sort())
  for (const [name, variant] of Object.entries(choices)) assert.ok(shapes.get(name)?.includes(variant), `${name}: ${variant}`)
  assert.ok(new Set(steps).size > 1 && steps.every((s) => s > 0), 'a step takes what was measured, not what was guessed')
  assert.equal(await tune(program, { record, budget: () => 0, cache }), choices)
  for (const text of ['{"a', JSON.stringify({ [deviceKey(program.device)]: { a: 1 } })]) {
    await cache.write('tuner.json', new TextEncoder().encode(text))
    assert.equal(await tune(program, { record, budget: () => 0, cache }), {}, 'a file that is damaged tells nothing')
  }
  engine.dispose()
})

test('the budget: 2 s or 2 % of the run, whichever is less; 2 s for who asks', () => {
  const { round } = Math
  const ms = (steps: number, asked: boolean, step: number) => round(1000 * budgetOf(steps, asked)(step))
  assert.equal([ms(100, false, 0.05), ms(1e5, false, 0.05), ms(1, true, 0.05), ms(0, false, 1)], [100, 2000, 2000, 0])
})

test('a trainer takes what the cache knows where it tunes: when asked to, by itself on GPUs alone', async () => {
  const { others } = await tables()
  const device = await openTestDevice()
  const cache = memoryFiles('cache')
  await keep(cache, 'tuner.json', deviceKey(device), others)
  const said: string[] = []
  const kernelsOf = async (tune: boolean | undefined) => {
    const trainer = await start({ cache, rows: 4, args: { maxSteps: 1, tune }, notice: (text) => said.push(text) })
    let heard: Choices | undefined
    trainer.on('begin', ({ kernels }) => {
      heard = kernels
    })
    await trainer.train()
    return Object.values(heard ?? {})
  }
  const known = (await kernelsOf(true)).filter((variant) => Object.values(others).includes(variant))
  assert.ok(known.length > 3, `${known}`)
  assert.equal(said, [], 'better ones were found')
  assert.equal(await kernelsOf(false), [])
  assert.is((await kernelsOf(undefined)).length > 0, !device.software)
})
