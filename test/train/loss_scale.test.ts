import type { Device } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { type Files, memoryFiles, openCheckpoint, openSafetensors, readTensor } from '../../src/io'
import { callable } from '../../src/models/auto'
import { encoderConfig } from '../../src/models/config'
import { metaModel } from '../../src/models/meta'
import { ModelForSequenceClassification } from '../../src/models/sequence_classification'
import { loadWeights, planWeights } from '../../src/models/weights'
import { getPeftModel } from '../../src/peft'
import { Trainer, type TrainerOptions } from '../../src/train'
import { AdamW, type AdamWOptions } from '../../src/train/adamw'
import { assert, openTestDevice, rng, test } from '../harness'
import { miniTokenizer, tinyConfig, tinyFiles, wordTask } from '../tiny'
import { bytes, losses, small, start } from './start'

const size = 4200

/** An optimizer and the way to give it gradients, as they are times its scale. */
function setUp(device: Device, values: Float32Array, options: AdamWOptions = {}) {
  const [param, gradients] = [Tensor.from(device, values), Tensor.from(device, new Float32Array(size))]
  const optimizer = new AdamW(device, [{ values: param, gradients, start: 0, count: size, weightDecay: 0.1 }], options)
  const step = async (grad: Float32Array, t: number, loss = 1) => {
    const [scale] = (await optimizer.scale?.data()) ?? [1]
    gradients.write(grad.map((g) => g * scale))
    optimizer.set(0.01, t)
    optimizer.record(Tensor.from(device, [loss]))
    return { ...(await optimizer.status()), scale: (await optimizer.scale?.data())?.[0] }
  }
  return { optimizer, step, values: () => param.data() }
}

test('loss scale: the numbers are those of no scale, to the bit, and it doubles after so many good steps', async () => {
  const device = await openTestDevice()
  const random = rng()
  const begin = random.normal(size)
  const plain = setUp(device, begin)
  const scaled = setUp(device, begin, { scaled: true, growthInterval: 3 })
  const scales: (number | undefined)[] = []
  for (let t = 1; t <= 7; t++) {
    const grad = random.normal(size, [1e-4, 1, 30][t % 3])
    const [one, other] = [await plain.step(grad, t), await scaled.step(grad, t)]
    assert.is(other.gradNorm, one.gradNorm, `norm of step ${t}`)
    assert.equal([other.badStep, other.leftOut], [0, 0])
    scales.push(other.scale)
  }
  assert.equal(await scaled.values(), await plain.values())
  assert.equal(
    scales,
    [16, 16, 17, 17, 17, 18, 18].map((power) => 2 ** power),
  )
})

test('loss scale: a step of gradients that are not finite changes nothing but the scale, and does not count for Adam', async () => {
  const device = await openTestDevice()
  const random = rng()
  const begin = random.normal(size)
  const [plain, scaled] = [setUp(device, begin), setUp(device, begin, { scaled: true, growthInterval: 3, hold: true })]
  const grads = [1, 2, 3, 4, 5, 6].map(() => random.normal(size))
  const bad = grads[0].slice()
  bad[size - 1] = Number.POSITIVE_INFINITY
  let applied = 0
  const left: number[] = []
  for (const [i, grad] of [bad, grads[0], grads[1], bad, bad, grads[2], grads[3], grads[4], grads[5]].entries()) {
    const before = await scaled.values()
    const moments = await scaled.optimizer.read()
    const { gradNorm, badStep, leftOut, scale } = await scaled.step(grad, i + 1)
    left.push(leftOut, Math.log2(scale as number))
    assert.is(badStep, 0)
    if (grad === bad) {
      assert.is(gradNorm, Number.POSITIVE_INFINITY)
      assert.equal(await scaled.values(), before)
      assert.equal(await scaled.optimizer.read(), moments)
    } else {
      const wanted = await plain.step(grad, ++applied)
      assert.is(gradNorm, wanted.gradNorm)
      // What Adam divides by is summed up on the device here.
      assert.close(await scaled.values(), await plain.values(), 1e-6, `after step ${i + 1}`)
      const moved = (p: Float32Array) => p.map((v, at) => v - begin[at])
      assert.close(moved(await scaled.values()), moved(await plain.values()), 1e-5, `change after step ${i + 1}`)
    }
  }
  assert.equal(left, [1, 15, 1, 15, 1, 15, 2, 14, 3, 13, 3, 13, 3, 13, 3, 14, 3, 14])
})

test('loss scale: at 1 a gradient that is not finite is a bad step, and so is a loss at any scale', async () => {
  const device = await openTestDevice()
  const begin = rng().normal(size)
  const bad = new Float32Array(size).fill(Number.NaN)
  const worn = setUp(device, begin, { scaled: true, hold: true })
  for (let t = 1; t <= 16; t++) assert.equal((await worn.step(bad, t)).badStep, 0, `step ${t}`)
  assert.equal(await worn.step(bad, 17), { gradNorm: Number.POSITIVE_INFINITY, badStep: 17, leftOut: 16, scale: 1 })
  assert.is((await worn.step(begin, 18)).badStep, 17, 'held')
  const lost = setUp(device, begin, { scaled: true, hold: true })
  assert.equal(await lost.step(begin, 1, Number.NaN), { gradNorm: Number.POSITIVE_INFINITY, badStep: 1, leftOut: 0, scale: 65536 })
  for (const { values } of [worn, lost]) assert.equal(await values(), begin)
  worn.optimizer.reset()
  assert.equal(await worn.step(begin, 1), { ...(await setUp(device, begin).step(begin, 1)), scale: 65536 })
})

interface Run extends Partial<TrainerOptions> {
  labels?: number
}

/** A trainer of a model of `fp16` in which every weight stayed f32, as none was a half float: all devices have that. */
async function startScaled({ labels = 2, args, ...options }: Run = {}): Promise<Trainer> {
  const changes = labels === 1 ? { id2label: { 0: 'score' } } : {}
  const files = tinyFiles(changes)
  const config = encoderConfig({ ...tinyConfig, ...changes }, 'tiny')
  const base = new ModelForSequenceClassification(await openTestDevice(), config, 'tiny', undefined, () => 'f32')
  await loadWeights(base, planWeights(metaModel(config), await openCheckpoint(files), { file: 'tiny' }), 42)
  return new Trainer({
    model: await getPeftModel(
      callable(base, (tokens) => base.logits(tokens)),
      { peftType: 'CONDLORA' },
    ),
    processingClass: await miniTokenizer(),
    trainDataset: wordTask(24),
    evalDataset: wordTask(30, 9),
    notice: () => {},
    ...options,
    args: { ...small, ...args },
  })
}

test('training with a loss scale, accumulation too: the numbers are those without, to the bit', async () => {
  const args = { gradientAccumulationSteps: 2, perDeviceTrainBatchSize: 2 }
  const [plain, scaled] = [await start({ args }), await startScaled({ args })]
  for (const trainer of [plain, scaled]) await trainer.train()
  assert.equal(await bytes(scaled), await bytes(plain))
  const norms = ({ logHistory }: Trainer) => logHistory.map((e) => e.gradNorm)
  assert.equal(norms(scaled), norms(plain))
  assert.ok(losses(scaled).length === 10)
})

/** One row's gradient is too large for its square at the first scale; nothing of it is at a scale of 1. */
function oneLarge(): TrainerOptions['trainDataset'] {
  const { rows, columns } = wordTask(16)
  return { columns, rows: rows.map((row, i) => ({ ...row, label: i === 5 ? 1e15 : row.label })) }
}

const stateOf = async (files: Files, step: number) => {
  const entry = (await openSafetensors(files, `checkpoint-${step}/optimizer.safetensors`)).get('loss_scale')
  return entry ? [...(await readTensor(entry))] : undefined
}

test('a step that is left out is told, training goes on; its checkpoint goes on to the same bytes', async () => {
  const args = { maxSteps: 12, saveSteps: 5 }
  const told: string[] = []
  const files = memoryFiles('run')
  const run = { labels: 1, trainDataset: oneLarge(), args, files }
  const whole = await startScaled({ ...run, notice: (text) => told.push(text) })
  await whole.train()
  const left = told.filter((text) => /train: step \d+: gradients were not finite 1 times: these steps changed nothing/.test(text))
  assert.is(left.length, 3, `one an epoch: ${told.join('\n')}`)
  assert.is((await stateOf(files, 12))?.[0], 2 ** 13)
  const theirs = memoryFiles('other')
  for (const name of await files.list()) if (name.startsWith('checkpoint-5/')) await theirs.write(name, await files.read(name))
  const again = await startScaled({ ...run, files: theirs })
  await again.train({ resumeFromCheckpoint: true })
  assert.equal(await bytes(again), await bytes(whole))
  assert.equal(await stateOf(theirs, 12), await stateOf(files, 12))
})

test('gradients that are finite at no scale stop the run where it has come down to 1', async () => {
  const { rows, columns } = wordTask(16)
  const trainDataset = { columns, rows: rows.map((row) => ({ ...row, label: 9e18 })) }
  const trainer = await startScaled({ labels: 1, trainDataset, args: { maxSteps: 30 } })
  const before = await bytes(trainer)
  await assert.rejects(trainer.train(), /train: step 17: loss .* not finite in float32; .* or dtype "fp32": half floats end at 65504/)
  assert.equal(await bytes(trainer), before)
})

test('a checkpoint of fp16 is not gone on with in fp32, nor the other way; one from before there was a dtype is of fp32', async () => {
  const args = { maxSteps: 5, saveSteps: 5 }
  const [half, full] = [memoryFiles('run'), memoryFiles('run')]
  await (await startScaled({ args, files: half })).train()
  await (await start({ args, files: full })).train()
  assert.is(await stateOf(full, 5), undefined)
  const more = { args: { ...args, maxSteps: 5 } }
  const resumed = { resumeFromCheckpoint: true }
  await assert.rejects((await start({ ...more, files: half })).train(resumed), /another run: dtype was fp16, is fp32\. Go on/)
  await assert.rejects((await startScaled({ ...more, files: full })).train(resumed), /another run: dtype was fp32, is fp16\. Go on/)
  const path = 'checkpoint-5/trainer_state.json'
  const state = JSON.parse(new TextDecoder().decode(await full.read(path)))
  assert.is(state.fingerprint.dtype, 'fp32')
  delete state.fingerprint.dtype
  await full.write(path, new TextEncoder().encode(JSON.stringify(state)))
  await (await start({ ...more, files: full })).train(resumed)
})
