import type { Device } from '../../src/gpu'
import { memoryFiles } from '../../src/io'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { getPeftModel, type PeftConfig } from '../../src/peft'
import { Trainer } from '../../src/train'
import { assert, fixture, openTestDevice, test } from '../harness'
import { goldenFiles, goldenTensors, goldenTokens } from '../models/fixtures'
import { miniTokenizer, tinyFiles, wordTask } from '../tiny'
import { type Bounds, check, loras, targets } from './golden_case'
import { spamCase } from './spam_case'
import { bytes, losses, small } from './start'

/** A test of training with half floats; where the device has none, that loading says so. */
function onHalf(name: string, body: (device: Device) => Promise<void>): void {
  test(name, async () => {
    const device = await openTestDevice()
    if (device.features.has('shader-f16')) return body(device)
    await assert.rejects(
      AutoModelForSequenceClassification.fromPretrained(tinyFiles(), { device, dtype: 'fp16' }),
      /has no shader-f16 here/,
    )
  })
}

for (const set of ['cases', 'cases-odd'])
  for (const kind of ['roberta', 'bert'])
    onHalf(`${set}/${kind} in fp16: logits within 2e-3 of PyTorch's in float32`, async (device) => {
      const folder = `${set}/${kind}`
      const model = await AutoModelForSequenceClassification.fromPretrained(await goldenFiles(folder), { device, dtype: 'fp16' })
      const logits = await model(await goldenTokens(folder))
      assert.is(logits.dtype, 'f32')
      assert.close(await logits.data(), (await goldenTensors(folder, 'expected')).get('logits')?.data ?? [], 2e-3)
    })

// AdamW divides by the gradient's size: what is small of it counts as much as what is large.
const bounds: Bounds = { dtype: 'fp16', logits: 2e-3, steps: 5e-3, gradients: 1e-2, after: 2e-2 }

for (const set of ['cases', 'cases-odd'])
  for (const name of set === 'cases' ? ['lora', ...Object.keys(targets)] : [...loras, 'bitfit', ...Object.keys(targets)])
    onHalf(`${set}/${name} in fp16: logits, gradients and ten steps near PyTorch's in float32`, () => check(set, name, bounds))

for (const method of ['head', 'lora', 'condlora'] as const)
  onHalf(`spam_case in fp16: ten real steps near PyTorch's in float32, ${method}`, (device) =>
    spamCase(method, device, fixture, { dtype: 'fp16', most: 5e-3 }),
  )

async function start(device: Device, config: PeftConfig, files = memoryFiles('run'), args = {}): Promise<Trainer> {
  const base = await AutoModelForSequenceClassification.fromPretrained(
    tinyFiles({ hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1 }),
    {
      ...{ device, dtype: 'fp16' },
      notice: () => {},
    },
  )
  return new Trainer({
    model: await getPeftModel(base, config),
    processingClass: await miniTokenizer(),
    trainDataset: wordTask(24),
    evalDataset: wordTask(30, 9),
    files,
    args: { ...small, ...args },
    notice: () => {},
  })
}

for (const peftType of ['LORA', 'CONDLORA', 'BITFIT'] as const)
  onHalf(
    `fp16: ${peftType} learns, twice to the same bytes, with gradient checkpointing too, and a checkpoint goes on to them`,
    async (device) => {
      const args = { saveSteps: 5, maxSteps: 30, learningRate: 2e-2 }
      const files = memoryFiles('run')
      const whole = await start(device, { peftType }, files, args)
      await whole.train()
      const [first, last] = [losses(whole)[0], losses(whole).at(-1) as number]
      assert.ok(last < 0.7 * first, `loss from ${first} to ${last}`)
      const { evalAccuracy } = await whole.evaluate()
      assert.ok(evalAccuracy > 0.7, `${evalAccuracy}`)
      const again = await start(device, { peftType }, undefined, { ...args, gradientCheckpointing: true })
      await again.train()
      assert.equal(await bytes(again), await bytes(whole))
      const theirs = memoryFiles('other')
      for (const name of await files.list()) if (name.startsWith('checkpoint-15/')) await theirs.write(name, await files.read(name))
      const resumed = await start(device, { peftType }, theirs, args)
      await resumed.train({ resumeFromCheckpoint: true })
      assert.equal(await bytes(resumed), await bytes(whole))
    },
  )
