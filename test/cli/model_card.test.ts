import { modelCard } from '../../src/cli/model_card'
import { peftConfig } from '../../src/peft'
import { assert, test } from '../harness'

const card = async (model: string, base: string | undefined, fp16?: boolean) =>
  modelCard({
    ...{ settings: { model, method: 'lora', rank: 8, alpha: 8, learningRate: 1e-3, seed: 1, fp16 }, base, labels: ['ham', 'spam'] },
    ...{ peft: await peftConfig({ peftType: 'LORA' }), metrics: { evalLoss: 0.5, evalAccuracy: 0.9 }, steps: 3 },
  })

test('a model card names the base on the hub', async () => {
  const text = await card('FacebookAI/roberta-base', 'FacebookAI/roberta-base')
  assert.match(
    text,
    /^---\nbase_model: FacebookAI\/roberta-base\nlibrary_name: peft\n[\s\S]*\n- base_model:adapter:FacebookAI\/roberta-base\n/,
  )
  assert.match(text, /\n# LoRA on FacebookAI\/roberta-base\n[\s\S]*fromPretrained\("FacebookAI\/roberta-base", /)
})

test('of a base in a folder it has the last part of the path alone, and no base_model, which the hub would refuse', async () => {
  for (const path of ['/home/me/models/tiny', 'models/tiny', 'C:\\models\\tiny']) {
    const text = await card(path, undefined)
    assert.match(text, /^---\nlibrary_name: peft\n[\s\S]*\n# LoRA on tiny\n[\s\S]*fromPretrained\(BASE, /)
    assert.not.match(text, /base_model|home|models[/\\]/)
  }
})

test('half precision is told, where it was', async () => {
  assert.match(await card('tiny', undefined, true), /seed 1, frozen weights as half floats \(fp16\)\.\n/)
  for (const fp16 of [false, undefined]) assert.match(await card('tiny', undefined, fp16), /learning rate 0\.001, seed 1\.\n/)
})
