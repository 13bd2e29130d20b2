import { philox4x32, Random } from '../../src/ops/philox'
import { assert, rng, test } from '../harness'

const hex = (words: number[]) => words.map((w) => w.toString(16).padStart(8, '0')).join(' ')

test('philox4x32: the known answers of the authors (Random123, kat_vectors)', () => {
  const ones = 0xffffffff
  assert.is(hex(philox4x32([0, 0, 0, 0], [0, 0])), '6627e8d5 e169c58d bc57ac4c 9b00dbd8')
  assert.is(hex(philox4x32([ones, ones, ones, ones], [ones, ones])), '408f276d 41c83b0e a20bc7c6 6d5451fd')
  assert.is(
    hex(philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])),
    'd16cfe09 94fdcceb 5001e420 24126ea1',
  )
})

test('philox4x32: any counter and key give what whole-number arithmetic of any length gives', () => {
  const random = rng()
  const word = () => [0, 1, 0xffff, 0x10000, 0xffffffff, 0x7fffffff, 0x80000000, ...[1, 2, 3].map(() => random.int(0, 0xffffffff))]
  for (let i = 0; i < 300; i++) {
    const [counter, key] = [4, 2].map((n) => Array.from({ length: n }, () => word()[random.int(0, 9)]))
    let [c0, c1, c2, c3, k0, k1] = [...counter, ...key].map(BigInt)
    const mask = 0xffffffffn
    for (let round = 0; round < 10; round++) {
      const [p0, p1] = [c0 * 0xd2511f53n, c2 * 0xcd9e8d57n]
      ;[c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask]
      k0 = (k0 + 0x9e3779b9n) & mask
      k1 = (k1 + 0xbb67ae85n) & mask
    }
    assert.equal(philox4x32(counter, key), [c0, c1, c2, c3].map(Number), `counter ${counter}, key ${key}`)
  }
})

function moments(x: Float32Array): { mean: number; std: number } {
  const mean = x.reduce((s, v) => s + v, 0) / x.length
  return { mean, std: Math.sqrt(x.reduce((s, v) => s + (v - mean) ** 2, 0) / x.length) }
}

const within = (what: string, got: number, wanted: number, tolerance: number) => {
  if (!(Math.abs(got - wanted) <= tolerance)) throw new Error(`${what}: wanted ${wanted} to ${tolerance}, got ${got}`)
}

test('Random: uniform and normal numbers have their range, mean and spread', () => {
  const n = 40000
  const flat = new Random(7).uniform(n, -3, 5)
  const bad = flat.filter((v) => v < -3 || v > 5)
  assert.is(bad.length, 0)
  within('mean', moments(flat).mean, 1, 0.06)
  within('std', moments(flat).std, 8 / Math.sqrt(12), 0.04)
  const bell = new Random(7).normal(n, 0.02)
  within('mean', moments(bell).mean, 0, 0.0005)
  within('std', moments(bell).std, 0.02, 0.0004)
  within('share within one std', bell.filter((v) => Math.abs(v) < 0.02).length / n, 0.6827, 0.012)
  assert.is(bell.filter((v) => !Number.isFinite(v)).length, 0)
})

test('Random: a seed and a stream fix the numbers; other seeds, above 2^32 too, and other streams give others', () => {
  const draw = (seed: number, stream?: number) => [...new Random(seed, stream).uniform(100, 0, 1)].join()
  assert.is(draw(42), draw(42))
  const all = [draw(42), draw(43), draw(42, 1), draw(42 + 2 ** 32), draw(0)]
  assert.is(new Set(all).size, all.length)
})

test('Random: shuffle keeps every item and moves them', () => {
  const items = Array.from({ length: 100 }, (_, i) => i)
  const mixed = new Random(5).shuffle([...items])
  assert.equal(
    [...mixed].sort((a, b) => a - b),
    items,
  )
  assert.not.equal(mixed, items)
  const counts = [0, 0, 0]
  const random = new Random(11)
  for (let i = 0; i < 3000; i++) counts[random.below(3)]++
  for (const count of counts) within('below(3)', count, 1000, 130)
})
