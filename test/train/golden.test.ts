import { fixture, openTestDevice, test } from '../harness'
import { check, loras, targets, whole } from './golden_case'

for (const set of ['cases', 'cases-odd'])
  for (const name of set === 'cases' ? ['lora', ...Object.keys(targets)] : [...loras, ...Object.keys(whole), ...Object.keys(targets)])
    test(`${set}/${name}: logits, gradients and ten steps as PyTorch and peft`, () => check(set, name))

for (const method of ['head', 'lora', 'condlora'] as const)
  test(`spam_case: ten real steps as PyTorch, ${method}`, async () => {
    const { spamCase } = await import('./spam_case')
    await spamCase(method, await openTestDevice(), fixture)
  })
