import { NumpyRandom } from '../../src/data/numpy_random'
import { assert, fixture, test } from '../harness'
import { crc32 } from './crc'

interface Golden {
  permutations: { seed: number; n: number; first: number[]; crc: number }[]
  draws: { seed: string; next: string[]; below10: number[] }[]
}

const golden = JSON.parse(new TextDecoder().decode(await fixture('data/numpy.json'))) as Golden

test("permutations are NumPy's, up to MNLI's 392,702 rows", () => {
  assert.is(golden.permutations.length, 9)
  for (const { seed, n, first, crc } of golden.permutations) {
    const got = new NumpyRandom(seed).permutation(n)
    assert.equal([...got.subarray(0, 12)], first, `seed ${seed}, n ${n}`)
    assert.is(crc32(got), crc, `seed ${seed}, n ${n}`)
  }
})

test("bits and bounded numbers are NumPy's, also of seeds above 32 bits", () => {
  for (const { seed, next, below10 } of golden.draws) {
    const random = new NumpyRandom(BigInt(seed))
    assert.equal(
      next.map(() => `${random.next64()}`),
      next,
    )
    const again = new NumpyRandom(BigInt(seed))
    assert.equal(
      below10.map(() => again.below(10)),
      below10,
    )
  }
})

test('numbers below a large n stay below it and reach its upper part', () => {
  const random = new NumpyRandom(5)
  const n = 4_000_000_000
  const drawn = Array.from({ length: 200 }, () => random.below(n))
  assert.ok(drawn.every((x) => Number.isInteger(x) && x >= 0 && x < n))
  assert.ok(drawn.some((x) => x > 0.9 * n) && drawn.some((x) => x < 0.1 * n))
})

test('a seed that is none', () => {
  for (const seed of [-1, 1.5, Number.NaN]) assert.throws(() => new NumpyRandom(seed), /seed: wanted a whole number from 0, got/)
})
