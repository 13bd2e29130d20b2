import type { PeftConfig } from '../../src/peft'
import { assert, openTestDevice, test } from '../harness'
import { bytes, losses, start } from './start'

const dropping = { hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1, num_hidden_layers: 4 }

const kinds = {
  LoRA: { peftType: 'LORA', targetModules: 'all-linear' },
  CondLoRA: { peftType: 'CONDLORA', conversion: 'rectangular', targetModules: 'all-linear' },
  'CondLoRA type1': { peftType: 'CONDLORA', useX: 'type1' },
  'CondLoRA type2': { peftType: 'CONDLORA', useX: 'type2' },
} satisfies Record<string, PeftConfig>

for (const [name, kind] of Object.entries(kinds))
  test(`${name} with gradient checkpointing: the same bytes, losses too, in less memory; dropout draws the same masks`, async () => {
    const device = await openTestDevice({})
    const config: PeftConfig = { ...kind, r: 4, loraDropout: 0.2 }
    const run = async (gradientCheckpointing: boolean) => {
      // Rows for two micro-batches a step.
      const args = { gradientCheckpointing, maxSteps: 4, gradientAccumulationSteps: 2 }
      const trainer = await start({ device, config, model: dropping, args, evalDataset: undefined })
      let memory = 0
      trainer.on('begin', (event) => (memory = event.memory.stepBytes))
      await trainer.train()
      const end = { values: await bytes(trainer), losses: losses(trainer), memory }
      trainer.dispose()
      return end
    }
    const [plain, kept] = [await run(false), await run(true)]
    assert.is(new Set(plain.losses).size, 4, 'it learns')
    assert.equal(kept.losses, plain.losses)
    assert.equal(kept.values, plain.values)
    assert.ok(kept.memory < 0.7 * plain.memory, `${kept.memory} bytes a step, ${plain.memory} without`)
    device.destroy()
  })
