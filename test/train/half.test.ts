import type { Device } from '../../src/gpu'
import { type Files, memoryFiles, openSafetensors } from '../../src/io'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import type { ModelDType } from '../../src/models/sequence_classification'
import { getPeftModel, type PeftConfig } from '../../src/peft'
import { Trainer, type TrainingArguments } from '../../src/train'
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

// Three layers round a number some twenty times, by 2⁻¹² in the mean and 2⁻¹¹ at most.
const logitBound = 2e-3

for (const set of ['cases', 'cases-odd'])
  for (const kind of ['roberta', 'bert'] as const)
    onHalf(`${set}/${kind} in fp16: logits within ${logitBound} of PyTorch's in float32`, async (device) => {
      const folder = `${set}/${kind}`
      const model = await AutoModelForSequenceClassification.fromPretrained(await goldenFiles(folder), { device, dtype: 'fp16' })
      const logits = await model(await goldenTokens(folder))
      assert.is(logits.dtype, 'f32')
      assert.close(await logits.data(), (await goldenTensors(folder, 'expected')).get('logits')?.data ?? [], logitBound)
    })

// What an adapter adds is rounded once more into y. AdamW divides by the gradient's size: what is small of it counts as much as what is large.
const bounds: Bounds = { dtype: 'fp16', logits: 3e-3, steps: 3e-2, gradients: 2e-2, after: 3e-2 }

for (const set of ['cases', 'cases-odd'])
  for (const name of set === 'cases' ? ['lora', ...Object.keys(targets)] : [...loras, 'bitfit', ...Object.keys(targets)])
    onHalf(`${set}/${name} in fp16: logits, gradients and ten steps near PyTorch's in float32`, () => check(set, name, bounds))

for (const method of ['head', 'lora', 'condlora'] as const)
  onHalf(`spam_case in fp16: ten real steps near PyTorch's in float32, ${method}`, (device) =>
    spamCase(method, device, fixture, { dtype: 'fp16', most: 5e-3 }),
  )

const model = { hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1 }

interface Run {
  args?: TrainingArguments
  files?: Files
  dtype?: ModelDType
  base?: Files
}

async function start(device: Device, config: PeftConfig, run: Run = {}): Promise<Trainer> {
  const { args, files = memoryFiles('run'), dtype = 'fp16' } = run
  const base = await AutoModelForSequenceClassification.fromPretrained(run.base ?? tinyFiles(model), { device, dtype, notice: () => {} })
  return new Trainer({
    model: await getPeftModel(base, config),
    processingClass: await miniTokenizer(),
    trainDataset: wordTask(24),
    evalDataset: wordTask(30, 9),
    files,
    args: { ...small, saveSteps: 5, maxSteps: 12, ...args },
    notice: () => {},
  })
}

for (const peftType of ['LORA', 'CONDLORA', 'BITFIT'] as const)
  onHalf(`fp16: ${peftType} trains as in float32, twice to the same bytes; so does a checkpoint, and layers run again`, async (device) => {
    const files = memoryFiles('run')
    const [whole, full] = [await start(device, { peftType }, { files }), await start(device, { peftType }, { dtype: 'fp32' })]
    for (const trainer of [whole, full]) await trainer.train()
    assert.close(losses(whole), losses(full), 5e-3, 'losses')
    const [{ evalLoss }, other] = [await whole.evaluate(), await full.evaluate()]
    assert.close([evalLoss], [other.evalLoss], 5e-3, 'loss of the evaluation')
    const again = await start(device, { peftType }, { args: { gradientCheckpointing: true } })
    await again.train()
    assert.equal(await bytes(again), await bytes(whole))
    const theirs = memoryFiles('other')
    for (const name of await files.list()) if (name.startsWith('checkpoint-5/')) await theirs.write(name, await files.read(name))
    const resumed = await start(device, { peftType }, { files: theirs })
    await resumed.train({ resumeFromCheckpoint: true })
    assert.equal(await bytes(resumed), await bytes(whole))
  })

onHalf(
  'fp16: activations beyond the range end a run at the least loss scale at the latest, with advice; nothing is changed',
  async (device) => {
    const files = tinyFiles()
    const weights = await files.read('model.safetensors')
    // Not all alike: the numbers of a normed vector add up to little.
    const large = (size: number) => Float32Array.from({ length: size }, (_, i) => (i % 3 ? 6e4 : -6e4))
    for (const { name, start: at, end } of (await openSafetensors(files, 'model.safetensors')).values())
      if (name.endsWith('0.intermediate.dense.weight')) weights.set(new Uint8Array(large((end - at) / 4).buffer), at)
    await files.write('model.safetensors', weights)
    const trainer = await start(device, { peftType: 'LORA' }, { base: files, args: { maxSteps: 20 } })
    const before = await bytes(trainer)
    await assert.rejects(
      trainer.train(),
      /train: step (1|17): loss .* not finite .* The step changed nothing\. .*, or dtype "fp32": half floats end at 65504/,
    )
    assert.equal(await bytes(trainer), before)
  },
)
