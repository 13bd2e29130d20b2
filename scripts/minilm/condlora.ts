import { hostInputs } from '../../src/models/inputs'
import type { ModelForSequenceClassification } from '../../src/models/sequence_classification'
import { getPeftModel } from '../../src/peft'
import { AdamW } from '../../src/train/adamw'
import { TrainingProgram } from '../../src/train/program'
import { compare, type Reference, type Tensors } from './compare'

/** Our name of each tensor that reference.py trains. */
const names: Record<string, string> = {
  'classifier.weight': 'classifier.weight',
  'classifier.bias': 'classifier.bias',
  'query.theta_A': 'conversion.attention.self.query.theta_A',
  'query.theta_B': 'conversion.attention.self.query.theta_B',
  'value.theta_A': 'conversion.attention.self.value.theta_A',
  'value.theta_B': 'conversion.attention.self.value.theta_B',
}

/** Ten CondLoRA steps from the given tensors on the given batches. */
export async function tenSteps(
  base: ModelForSequenceClassification,
  reference: Reference,
  start: Tensors,
  expected: Tensors,
): Promise<void> {
  const model = await getPeftModel(base, { peftType: 'CONDLORA', r: 8, loraAlpha: 8, targetModules: ['query', 'value'] })
  model.printTrainableParameters()
  for (const [theirs, ours] of Object.entries(names)) model.parameters.get(ours).write(start.get(theirs) as Float32Array)
  const { values, gradients } = model.parameters
  const optimizer = new AdamW(base.device, [{ values, gradients, start: 0, count: values.size }])
  const program = new TrainingProgram(model, optimizer, { seed: 0 })
  const losses: number[] = []
  const norms: number[] = []
  const begun = performance.now()
  for (const [i, { labels, ...tokens }] of reference.batches.entries()) {
    const inputs = hostInputs(tokens, base.config)
    await program.step([{ key: `${inputs.batch}×${inputs.length}`, size: inputs.batch, labels, inputs }], 2e-3, i + 1)
    const { lossSum, gradNorm } = await program.takeLosses()
    losses.push(lossSum)
    norms.push(gradNorm)
  }
  console.log(`     ten steps in ${((performance.now() - begun) / 1000).toFixed(1)} s; losses ${losses.map((l) => l.toFixed(4)).join(' ')}`)
  compare(
    'CondLoRA: losses of ten steps',
    losses,
    reference.lossAndGradNorm.map(([loss]) => loss),
    1e-5,
  )
  compare(
    'CondLoRA: gradient norms of ten steps',
    norms,
    reference.lossAndGradNorm.map(([, norm]) => norm),
    1e-4,
  )
  const { inputIds, attentionMask } = reference.batches[0]
  const logits = await model({ inputIds, attentionMask })
  compare('CondLoRA: logits after them', await logits.data(), expected.get('after.logits') as Float32Array, 1e-4)
  for (const [theirs, ours] of Object.entries(names))
    compare(
      `CondLoRA: ${theirs} after them`,
      await model.parameters.get(ours).data(),
      expected.get(`after.${theirs}`) as Float32Array,
      1e-4,
    )
  program.dispose()
}
