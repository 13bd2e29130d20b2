import { type Files, memoryFiles } from '../../src/io'
import { type NamedTensor, writeSafetensors } from '../../src/io/safetensors_write'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { hostInputs } from '../../src/models/inputs'
import type { ModelDType } from '../../src/models/sequence_classification'
import { type CallablePeftModel, getPeftModel, type PeftConfig, PeftModel } from '../../src/peft'
import { AdamW } from '../../src/train/adamw'
import { TrainingProgram } from '../../src/train/program'
import { assert, openTestDevice } from '../harness'
import { goldenCase, goldenFiles, goldenTensors, goldenTokens, ourName } from '../models/fixtures'

interface Case {
  form?: 'code' | 'rectangular'
  r: number
  alpha: number
  loss: number
  trainable?: number
  steps: { lr: number; loss: number; gradNorm: number }[]
  optimizer: { weightDecay: number; clip: number }
}

/** Folders as peft writes them (CondLoRA's variants: as the paper's program does), and what of the training they do not tell. */
const adapters: Record<string, Partial<PeftConfig>> = {
  lora: {},
  'lora-rslora-key': {},
  'lora-regex-patterns': {},
  'lora-every-linear': {},
  'lora-bias-all': {},
  'lora-bias-lora-only': {},
  'lora-fa': { freezeA: true },
  'lora-plus': { loraplusLrRatio: 4 },
  dora: {},
  pissa: {},
  vera: {},
  'vera-unsaved': {},
  fourierft: {},
  'condlora-type1': {},
  'condlora-type2': {},
}
/** Trained whole by PyTorch alone. */
export const whole = { bitfit: 'BITFIT', full: 'FULL' } as const

export const loras = Object.keys(adapters)

// Roles, not last names: a list's `output.dense` would take attention.output.dense too.
export const targets = {
  'condlora-code': '.*\\.attention\\.self\\.(query|value)',
  'condlora-rectangular': '.*\\.layer\\.\\d+\\.(attention\\.self\\.(query|value)|intermediate\\.dense|output\\.dense)',
}

async function adapter(folder: string, name: string, golden: Case): Promise<Files> {
  if (loras.includes(name)) return goldenFiles(folder, ['adapter_config.json', 'adapter_model.safetensors'])
  const tensors = [...(await goldenTensors(folder, 'theta'))].map(
    ([key, t]): NamedTensor => ({ name: `base_model.model.${ourName(key)}`, shape: t.shape, data: t.data }),
  )
  const config = {
    peft_type: 'CONDLORA',
    r: golden.r,
    lora_alpha: golden.alpha,
    conversion: golden.form,
    target_modules: targets[name as keyof typeof targets],
    modules_to_save: ['classifier', 'score'],
  }
  return memoryFiles(folder, [
    ['adapter_config.json', new TextEncoder().encode(JSON.stringify(config))],
    ['adapter_model.safetensors', writeSafetensors(tensors)],
  ])
}

function trainer(model: CallablePeftModel, { optimizer: { weightDecay, clip } }: Case) {
  const { parameters, device } = model
  const { values, gradients, ranges } = parameters
  // The goldens' optimizer decays all that it is given; peft's for LoRA+ spares biases.
  const spares = ranges.some(({ lrScale }) => lrScale !== 1)
  const groups = ranges.map(({ noDecay, ...range }) => ({ values, gradients, ...range, weightDecay: spares && noDecay ? 0 : weightDecay }))
  const optimizer = new AdamW(device, groups, { maxGradNorm: clip, scaled: model.base.dtype === 'fp16' })
  return new TrainingProgram(model, optimizer, { seed: 0 })
}

/** Softmax does not feel a key's bias: its gradient is nothing but rounding, which AdamW makes steps of. */
const idle = (key: string) => key.endsWith('self.key.bias')

/** How the model is loaded, and how far from PyTorch's float32 its numbers may be. */
export interface Bounds {
  dtype: ModelDType
  logits: number
  /** Losses and gradient norms. */
  steps: number
  gradients: number
  after: number
}

export const single: Bounds = { dtype: 'fp32', logits: 1e-5, steps: 1e-4, gradients: 1e-4, after: 1e-4 }

/** A golden case: logits, A and B, gradients of the first step, ten steps. */
export async function check(set: string, name: string, bounds = single): Promise<void> {
  const folder = `${set}/${name}`
  const golden = await goldenCase<Case>(folder)
  const device = await openTestDevice()
  const base = await AutoModelForSequenceClassification.fromPretrained(await goldenFiles(`${set}/roberta`), { device, dtype: bounds.dtype })
  const model =
    name in whole
      ? await getPeftModel(base, { peftType: whole[name as keyof typeof whole] })
      : await PeftModel.fromPretrained(base, await adapter(folder, name, golden), { config: adapters[name] })
  const { adapter: own, head } = model.trainableParameters()
  if (golden.trainable !== undefined) assert.is(own + head, golden.trainable, `${folder}: trained numbers`)
  const tokens = await goldenTokens(`${set}/roberta`)
  const expected = await goldenTensors(folder, 'expected')
  assert.close(await (await model(tokens)).data(), expected.get('logits')?.data ?? [], bounds.logits, `${folder}: logits`)
  if (!loras.includes(name))
    for (const { path, A, B } of (await model.method.asLora?.(model.parameters)) ?? []) {
      const layer = path.replace('roberta.encoder.', '')
      assert.close(await A.data(), expected.get(`${layer}.A`)?.data ?? [], bounds.logits, `${folder}: ${layer}.A`)
      assert.close(await B.data(), expected.get(`${layer}.B`)?.data ?? [], bounds.logits, `${folder}: ${layer}.B`)
    }

  const labels = [...((await goldenTensors(`${set}/roberta`, 'inputs')).get('labels')?.data ?? [])]
  const batch = { key: 'golden', size: labels.length, labels, inputs: hostInputs(tokens, base.config) }
  const program = trainer(model, golden)
  for (const [i, { lr, loss, gradNorm }] of golden.steps.entries()) {
    await program.step([batch], lr, i + 1)
    const found = await program.takeLosses()
    assert.close([found.lossSum], [loss], bounds.steps, `${folder}: loss of step ${i}`)
    assert.close([found.gradNorm], [gradNorm], bounds.steps, `${folder}: gradient norm of step ${i}`)
    if (i === 0) await checkGradients(model, expected, folder, bounds)
  }
  const after = await model.parameters.read()
  for (const [key, { data }] of await goldenTensors(folder, 'after'))
    if (!idle(key)) assert.close(after.get(ourName(key))?.data ?? [], data, bounds.after, `${folder}: ${key} after ten steps`)
  program.dispose()
}

async function checkGradients(
  model: CallablePeftModel,
  expected: Map<string, { data: ArrayLike<number> }>,
  folder: string,
  { dtype, gradients: most }: Bounds,
): Promise<void> {
  // Of the first step, which carry the first loss scale.
  const scale = dtype === 'fp16' ? 65536 : 1
  const gradients = (await model.parameters.gradients.data()).map((g) => g / scale)
  let checked = 0
  for (const [key, { data }] of expected) {
    if (!key.startsWith('grad.')) continue
    const at = model.parameters.places.get(ourName(key.slice(5))) ?? Number.NaN
    const found = gradients.subarray(at, at + data.length)
    if (idle(key)) assert.ok(found.every((g) => Math.abs(g) < 1e-6))
    else assert.close(found, data, most, `${folder}: ${key}`)
    checked++
  }
  assert.is(checked, model.parameters.trained().length)
}
