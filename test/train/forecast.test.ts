import { OutOfMemoryError } from '../../src/gpu'
import type { BeginEvent, TrainingArguments } from '../../src/train'
import { AdamW } from '../../src/train/adamw'
import { trainingArguments } from '../../src/train/arguments'
import { type Example, hostBatch } from '../../src/train/examples'
import { TrainingPlan } from '../../src/train/plan'
import { TrainingProgram } from '../../src/train/program'
import { assert, openTestDevice, rng, takeGpuErrors, test } from '../harness'
import { miniTokenizer } from '../tiny'
import { adapted, bytes, start } from './start'

/** Rows of `lengths` words each. */
const rowsOf = (lengths: number[]) => ({
  rows: lengths.map((n, i) => ({ text: `${'river '.repeat(n - 1)}${i % 2 ? 'money' : 'house'}`, label: i % 2 })),
  columns: { text: 'text', label: 'label' },
})

test('before the first step: what is trained, steps, and the memory of the longest batch, taken already', async () => {
  const device = await openTestDevice({ memoryLimit: 123_000_000 })
  // One long row among short ones: not in the first batch.
  const trainer = await start({ device, trainDataset: rowsOf([...Array(23).fill(4), 50]), args: { maxSteps: 6, evalStrategy: 'epoch' } })
  const begun: BeginEvent[] = []
  let live = 0
  trainer.on('begin', (event) => {
    assert.is(trainer.logHistory.length, 0)
    begun.push(event)
    live = device.memory.stats.liveBytes
  })
  await trainer.train()
  assert.is(begun.length, 1)
  const [{ trained, step, totalSteps, examplesPerStep, memory, text }] = begun
  assert.equal(trained, trainer.model.trainableParameters())
  assert.equal([step, totalSteps, examplesPerStep], [0, 6, 4])
  assert.equal([memory.rows, memory.tokens], [4, 64])
  assert.is(memory.liveBytes, live)
  assert.ok(memory.stepBytes > 4 * 64 * 28 * 4 && memory.stepBytes < live, `${memory.stepBytes} bytes for the step`)
  assert.ok(memory.largestBuffer >= 4096 * 20 * 4, 'the word embeddings, at least')
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits
  assert.equal(
    [memory.maxBufferSize, memory.maxStorageBufferBindingSize, memory.memoryLimit],
    [maxBufferSize, maxStorageBufferBindingSize, 123e6],
  )
  assert.match(text, /^trained parameters: \d[\d,]* \(adapter \d+ \+ head \d+\) of \d+,\d+\nsteps: 6, 4 examples each\n/)
  assert.match(text, /longest batch of the data \(4 rows of 64 tokens\): .* MB in \d+ buffers, .* of it for the step; memoryLimit: 123 MB/)
  assert.match(
    text,
    /largest buffer: .* \(maxBufferSize .*\); largest binding: .* \(maxStorageBufferBindingSize .*\)\. WebGPU does not tell/,
  )
  // What came later is small: inputs and results of the shorter batches.
  const more = device.memory.stats.liveBytes - live
  assert.ok(more < 0.1 * memory.stepBytes, `${more} bytes more than the ${memory.stepBytes} foreseen`)
  trainer.dispose()
  device.destroy()
})

test('the longest batch does not fit: an error before the first step, with a batch size that fits', async () => {
  // Memory alone is short here: under a leg's cap of the bindings another limit would come first.
  const device = await openTestDevice({ memoryLimit: 6_000_000, cap: {} })
  const trainDataset = rowsOf([...Array(63).fill(4), 50])
  const run = async (perDeviceTrainBatchSize: number, perDeviceEvalBatchSize = 4) =>
    start({ device, trainDataset, args: { perDeviceTrainBatchSize, perDeviceEvalBatchSize, maxSteps: 3, evalStrategy: 'epoch' } })
  const trainer = await run(64)
  const before = await bytes(trainer)
  const error = (await trainer.train().catch((thrown) => thrown)) as Error
  assert.instance(error, OutOfMemoryError, `${error?.message ?? error}`)
  const advice =
    /the recording 'first 64×64': out of memory: \d+ more bytes .*memoryLimit is 6000000 bytes; this is a batch of 64 rows of 64 tokens, the largest of the data; perDeviceTrainBatchSize (\d+) fits \(with more gradientAcc/
  assert.match(error.message, advice)
  const size = Number(advice.exec(error.message)?.[1])
  assert.ok(size >= 2 && size < 64, `${size}`)
  assert.is((error as OutOfMemoryError).batchSize, size)
  assert.equal([trainer.logHistory.length, await bytes(trainer)], [0, before])
  trainer.dispose()
  const fitting = await run(size)
  assert.is((await fitting.train()).globalStep, 3)
  fitting.dispose()
  const double = await run(2 * size)
  await assert.rejects(double.train(), new RegExp(`perDeviceTrainBatchSize ${size} fits`))
  double.dispose()
  // An evaluation that does not fit is known before the first step too.
  const evaluated = await start({
    device,
    evalDataset: rowsOf(Array(600).fill(50)),
    args: { perDeviceTrainBatchSize: 2, perDeviceEvalBatchSize: 512, maxSteps: 3, evalStrategy: 'epoch' },
  })
  await assert.rejects(evaluated.train(), /'logits 512×64': .*perDeviceEvalBatchSize \d+ fits/)
  assert.is(evaluated.logHistory.length, 0)
  assert.equal(takeGpuErrors(), [])
  device.destroy()
})

test('batches of many lengths: few recordings, used again and again; the oldest are given back beyond a bound', async () => {
  const device = await openTestDevice()
  const model = await adapted()
  const tokenizer = await miniTokenizer()
  const { values, gradients } = model.parameters
  const optimizer = new AdamW(device, [{ values, gradients, start: 0, count: values.size }])
  const program = new TrainingProgram(model, optimizer, { seed: 0, mostShapes: 3 })
  const alive = new Set<string>()
  let recorded = 0
  const record = device.record.bind(device)
  device.record = async (name, body, keep) => {
    const made = await record(name, body, keep)
    recorded++
    alive.add(name)
    const dispose = made.recording.dispose.bind(made.recording)
    made.recording.dispose = () => {
      alive.delete(name)
      dispose()
    }
    return made
  }
  try {
    const batch = (length: number, rows = 2) => {
      const encodings = tokenizer.encodeBatch(
        rowsOf(Array(rows).fill(length - 2)).rows.map((r) => r.text),
        { maxLength: 64 },
      )
      return hostBatch(
        encodings.map((encoding) => ({ encoding, label: 1 })),
        model.base.config,
        tokenizer.padTokenId,
        64,
      )
    }
    let step = 0
    const train = (length: number, rows?: number) => program.step([batch(length, rows)], 1e-3, ++step)
    await train(64)
    const { liveBytes } = device.memory.stats
    // Every length from 3 to 64 tokens, padded to six: never more than three of them are kept, and begin and end.
    for (let length = 3; length <= 64; length++) {
      await train(length)
      assert.ok(alive.size <= 5, [...alive].join())
    }
    assert.ok(recorded >= 2 + 6 && recorded <= 2 + 7, `${recorded} recordings`)
    // Of a short list other tensors are the largest than of a long one (length² grows faster), so that a few find no place.
    const all = device.memory.stats.liveBytes
    assert.ok(all <= 1.04 * liveBytes, `the arena of the longest serves all: ${liveBytes} bytes, then ${all}`)
    // The youngest stay: no new recording for lengths that come again.
    const until = recorded
    for (let i = 0; i < 9; i++) await train([30, 40, 60][i % 3])
    assert.ok(recorded <= until + 1, `${recorded - until} more`)
  } finally {
    device.record = record
  }
  const { lossSum } = await program.takeLosses()
  assert.ok(Number.isFinite(lossSum))
  program.dispose()
  assert.is(alive.size, 0)
  optimizer.dispose()
})

test('groupByLength: every row once an epoch, the last step the shorter one, like lengths together, as the seed says', () => {
  const random = rng()
  const examples = Array.from({ length: 1003 }, (): Example => ({ encoding: { ids: Array(random.int(3, 60)).fill(5) } as never, label: 0 }))
  const plan = (args: TrainingArguments) => new TrainingPlan(trainingArguments({ perDeviceTrainBatchSize: 10, ...args }), examples, 64)
  const steps = (p: TrainingPlan, epoch = 0) => Array.from({ length: 101 }, (_, i) => p.examplesOf(epoch * 101 + i))
  const [grouped, plain] = [steps(plan({ groupByLength: true })), steps(plan({}))]
  assert.is(new Set(grouped.flat()).size, 1003)
  assert.is(grouped[100].length, 3)
  const padding = (all: Example[][]) =>
    all.reduce((sum, step) => {
      const lengths = step.map((e) => e.encoding.ids.length)
      return sum + step.length * Math.max(...lengths) - lengths.reduce((a, b) => a + b, 0)
    }, 0)
  assert.ok(padding(grouped) < 0.2 * padding(plain), `${padding(grouped)} and ${padding(plain)} tokens of padding`)
  assert.equal(steps(plan({ groupByLength: true })), grouped)
  assert.not.equal(steps(plan({ groupByLength: true }), 1), grouped)
  assert.not.equal(steps(plan({ groupByLength: true, seed: 1 })), grouped)
})

test('a trainer on rows of many lengths records each padded length once', async () => {
  const device = await openTestDevice()
  const record = device.record.bind(device)
  const names: string[] = []
  device.record = (name, body, keep) => {
    names.push(name)
    return record(name, body, keep)
  }
  try {
    const trainer = await start({
      trainDataset: rowsOf(Array.from({ length: 60 }, (_, i) => 1 + i)),
      args: { maxSteps: 45, groupByLength: true },
    })
    await trainer.train()
    trainer.dispose()
  } finally {
    device.record = record
  }
  assert.is(new Set(names).size, names.length, 'none twice')
  assert.is(names.length, 2 + 5, names.join()) // the tokens of the shortest four rows are more than 8
})
