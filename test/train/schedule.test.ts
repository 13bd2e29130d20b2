import { trainingArguments } from '../../src/train/arguments'
import { scheduleFactor, warmupStepsOf } from '../../src/train/schedule'
import { assert, fixture, test } from '../harness'

interface Case {
  type: 'linear' | 'cosine' | 'constant' | 'constant_with_warmup'
  warmup: number
  total: number
  factors: number[]
}

test("every schedule's factors are transformers' for each step, with and without warm-up", async () => {
  const cases = JSON.parse(new TextDecoder().decode(await fixture('train/schedules.json'))) as Case[]
  assert.is(cases.length, 28)
  for (const { type, warmup, total, factors } of cases)
    factors.forEach((wanted, step) => {
      const got = scheduleFactor(type, step, warmup, total)
      assert.ok(Math.abs(got - wanted) < 1e-14, `${type}, warm-up ${warmup} of ${total}, step ${step}: wanted ${wanted}, got ${got}`)
    })
})

test('warm-up: a share is rounded up, a number of steps wins over it', () => {
  const steps = (args: object, total: number) => warmupStepsOf(trainingArguments(args), total)
  assert.equal(
    [steps({}, 10), steps({ warmupRatio: 0.1 }, 30), steps({ warmupRatio: 0.1 }, 31), steps({ warmupRatio: 0.1, warmupSteps: 7 }, 31)],
    [0, 3, 4, 7],
  )
})
