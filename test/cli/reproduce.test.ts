import { Clock } from '../../src/cli/reproduce/clock'
import type { MethodRuns } from '../../src/cli/reproduce/experiment'
import type { PlannedRun } from '../../src/cli/reproduce/plan'
import { best, logUniform } from '../../src/cli/reproduce/search'
import { pairedTTest, summary, twoSided } from '../../src/cli/reproduce/statistics'
import { markdown, taskResult } from '../../src/cli/reproduce/table'
import { assert, rng, test } from '../harness'
import { rte } from './recipe_case'

const near = (actual: number | null, wanted: number, tolerance = 1e-12) =>
  assert.ok(actual !== null && Math.abs(actual - wanted) <= tolerance * Math.max(1, Math.abs(wanted)), `${actual}, wanted ${wanted}`)

test("Student's distribution, two-sided, for odd and even degrees of freedom", () => {
  // The regularised incomplete beta function, by mpmath.
  const known = [
    [12.7062047361747, 1, 0.05],
    [4.30265272974946, 2, 0.05],
    [0.5, 2, 0.66666666666667],
    [3.2, 3, 0.049331842962696],
    [1.5, 4, 0.208],
    [2.57058183563631, 5, 0.05],
    [7.5, 9, 3.6927412616588e-5],
    [0.01, 30, 0.99208749257318],
  ]
  for (const [t, degrees, p] of known) {
    near(twoSided(t, degrees), p)
    near(twoSided(-t, degrees), p)
  }
  near(twoSided(0, 7), 1)
})

test('mean, deviation and paired test of samples', () => {
  assert.equal(summary([3]), { mean: 3, deviation: null })
  near(summary([1, 2, 4]).deviation, Math.sqrt(7 / 3))
  // Differences 1, 2, 3: mean 2, deviation 1, t = 2√3.
  const { difference, t, p } = pairedTTest([5, 7, 9], [4, 5, 6])
  near(difference, 2)
  near(t, 2 * Math.sqrt(3))
  near(p, twoSided(2 * Math.sqrt(3), 2))
  assert.equal(pairedTTest([1], [2]), { difference: -1, t: null, p: null })
  assert.is(pairedTTest([0.3, 0.4], [0.2, 0.3]).p, null, 'they differ by the same, but for rounding')
  assert.throws(() => pairedTTest([1, 2], [1]), /as many of one as of the other, got 2 and 1/)
})

test('paired test: swapping the sides, shifting both and scaling both change nothing but sign and size', () => {
  const random = rng()
  const n = random.int(2, 9)
  const [a, b, shift] = [...random.normal(n)]
    .map((x, i) => [x, x + random.normal(1)[0], i])
    .reduce<number[][]>((all, row) => all.map((column, i) => [...column, row[i]]), [[], [], []])
  const one = pairedTTest(a, b)
  const swapped = pairedTTest(b, a)
  near(swapped.difference, -one.difference)
  near(swapped.p, one.p as number)
  const moved = pairedTTest(
    a.map((x, i) => 3 * (x + shift[i])),
    b.map((x, i) => 3 * (x + shift[i])),
  )
  near(moved.difference, 3 * one.difference, 1e-9)
  near(moved.p, one.p as number, 1e-9)
})

test('learning rates: inside the range, the first ones stay when more are drawn, any few cover it', () => {
  const random = rng()
  const [low, seed] = [10 ** -random.int(3, 6), random.int(0, 1000)]
  const high = low * 100
  const rates = logUniform(20, low, high, seed)
  assert.equal(logUniform(5, low, high, seed), rates.slice(0, 5))
  assert.ok(rates.every((rate) => rate >= low * 0.999999 && rate <= high))
  const at = (rate: number) => Math.log(rate / low) / Math.log(high / low)
  for (const n of [5, 8, 13, 20]) {
    const places = [
      0,
      ...rates
        .slice(0, n)
        .map(at)
        .sort((a, b) => a - b),
      1,
    ]
    const widest = Math.max(...places.slice(1).map((x, i) => x - places[i]))
    assert.ok(widest < 2.7 / n, `${n} rates leave ${widest} of the range free`)
  }
  assert.not.equal(logUniform(1, low, high, seed), logUniform(1, low, high, seed + 1))
})

test('the best trial: the greatest metric, then the least loss; one that failed never', () => {
  const trial = (learningRate: number, metric: number | null, loss: number | null) => ({ learningRate, metric, loss })
  const trials = [trial(1, 0.9, 0.5), trial(2, null, null), trial(3, 0.9, 0.4), trial(4, 0.8, 0.1)]
  assert.is(best(trials).learningRate, 3)
  assert.throws(() => best([trial(2, null, null)]), /no learning rate of 2 came to a result/)
})

test('the time that is left: by runs of the same method where one is done, by all others else', () => {
  const cost = { steps: 10, trained: 160, evaluated: 20 }
  const run = (method: PlannedRun['method']): PlannedRun => ({ recipe: rte, method, kind: 'seed', number: 1, folder: '', cost })
  const runs = [run('lora'), run('lora'), run('lora'), run('condlora'), run('condlora'), run('condlora')]
  const clock = new Clock()
  assert.is(clock.left(runs), undefined)
  clock.add(runs[0], 100)
  near(clock.left(runs.slice(1)) as number, 500)
  clock.add(runs[3], 10)
  near(clock.left(runs.slice(4)) as number, 20)
})

const runsOf = (method: MethodRuns['method'], accuracies: number[]): MethodRuns => ({
  ...{ method, learningRate: 0.001, trials: [] },
  seeds: accuracies.map((evalAccuracy, i) => ({
    seed: i + 1,
    result: {
      ...{ settings: {}, validation: {}, test: { evalAccuracy }, steps: 1, seconds: 1, samplesPerSecond: 1, device: 'gpu' },
      parameters: { adapter: 1000, head: 20, all: 3000 },
    },
  })),
})

test('the table: means with their spread, what others report, differences, and the paired test', () => {
  const result = taskResult(rte, [
    runsOf('head', [0.6, 0.61, 0.62]),
    runsOf('lora', [0.74, 0.75, 0.76]),
    runsOf('condlora', [0.741, 0.752, 0.763]),
  ])
  assert.equal(result.device, ['gpu'])
  assert.is(
    markdown([result]),
    `
|                      | trained numbers |    RTE, accuracy |
| -------------------- | --------------: | ---------------: |
| head only            | 1,000 + head 20 |       61.0 ± 1.0 |
| LoRA                 | 1,000 + head 20 |       75.0 ± 1.0 |
| – the paper          |                 |             74.3 |
| – difference         |                 |             +0.7 |
| CondLoRA             | 1,000 + head 20 |       75.2 ± 1.1 |
| – the paper          |                 |             74.2 |
| – difference         |                 |             +1.0 |
| CondLoRA − head only |                 | +14.2 (p = 2e-5) |
| CondLoRA − LoRA      |                 | +0.2 (p = 0.074) |
| – the paper          |                 |             −0.1 |
`.trim(),
  )
})
