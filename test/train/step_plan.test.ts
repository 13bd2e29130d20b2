import type { PeftConfig } from '../../src/peft'
import { isStep } from '../../src/train/program'
import { planStep } from '../../src/train/step_plan'
import { assert, openTestDevice, test } from '../harness'
import { tinyConfig } from '../tiny'
import { adapted, start } from './start'

const [rows, tokens] = [4, 16]
const { hidden_size: h, intermediate_size: f, num_hidden_layers: layers } = tinyConfig

for (const peftType of ['LORA', 'CONDLORA'] as const)
  test(`${peftType}: what a step will do is what it does, and the operations are the model's`, async () => {
    const device = await openTestDevice({ profile: true, withhold: [] })
    const config: PeftConfig = { peftType, r: 4 }
    const model = await adapted({ device, config })
    const before = device.memory.stats.liveBytes
    const plan = await planStep(model, {}, rows, tokens)
    assert.is(device.memory.stats.liveBytes, before, 'all is given back')
    const flops = (op: string) => plan.kernels.find((k) => k.op === op)?.flops
    const head = 2 * rows * (h * h + 2 * h)
    assert.is(flops('linear'), 2 * rows * tokens * layers * (4 * h * h + 2 * h * f) + head)
    assert.is(flops('linear.dw'), head, 'no frozen weight has a gradient')
    assert.is(flops('attention.scores'), 2 * rows * tokens * tokens * h * layers)
    assert.is(
      plan.flops,
      plan.kernels.reduce((sum, k) => sum + k.flops, 0),
    )
    assert.ok(plan.pipelines > 10 && plan.pipelines <= 40, `${plan.pipelines} pipelines`)
    const { memory } = plan
    assert.ok(memory.model > 4096 * h * 4 && memory.step > rows * tokens * h * 4 && memory.optimizer >= 8 * model.parameters.count)

    // Rows of 14 words are padded to 16 tokens.
    const words = Array.from({ length: rows }, () => ({ text: Array(13).fill('river').join(' '), label: 1 }))
    const trainDataset = { rows: words, columns: { text: 'text', label: 'label' } }
    const trainer = await start({ device, config, trainDataset, evalDataset: undefined, args: { maxSteps: 2 } })
    const profiler = await device.profile()
    await trainer.train()
    const profile = await profiler.stop()
    const steps = profile.kernels(isStep)
    const dispatches = (ks: { op: string; dispatches: number }[], n = 1) => ks.map((k) => `${k.op} ${k.dispatches / n}`).sort()
    assert.equal(dispatches(steps, 2), dispatches(plan.kernels))
    trainer.dispose()
    device.destroy()
  })
