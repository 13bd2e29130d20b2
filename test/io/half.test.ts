import { fromBfloat16, fromHalf, toBfloat16, toHalf } from '../../src/io'
import { assert, rng, test } from '../harness'

const known: [number, number][] = [
  [0x0000, 0],
  [0x0001, 2 ** -24],
  [0x03ff, 1023 * 2 ** -24],
  [0x0400, 2 ** -14],
  [0x3555, 0.333251953125],
  [0x3c00, 1],
  [0xc100, -2.5],
  [0x7bff, 65504],
  [0x7c00, Number.POSITIVE_INFINITY],
  [0xfc00, Number.NEGATIVE_INFINITY],
]

test('half floats of known value, both ways', () => {
  const bits = Uint16Array.from(known, ([h]) => h)
  assert.equal(
    [...fromHalf(bits)],
    known.map(([, v]) => v),
  )
  assert.equal([...toHalf(Float32Array.from(known, ([, v]) => v))], [...bits])
})

test('all 65,536 halves come back; NaNs stay NaNs', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i)
  const values = fromHalf(all)
  const back = toHalf(values)
  let nans = 0
  for (const h of all) {
    const isNan = (h & 0x7c00) === 0x7c00 && (h & 0x3ff) !== 0
    if (isNan) nans++
    assert.is(Number.isNaN(values[h]), isNan)
    assert.is(isNan ? back[h] & 0x7fff : back[h], isNan ? 0x7e00 : h)
  }
  assert.is(nans, 2046)
})

test('rounds to the nearest half, ties to even', () => {
  const cases: [number, number][] = [
    [1 + 2 ** -11, 0x3c00], // a tie, down to even
    [1 + 3 * 2 ** -11, 0x3c02], // a tie, up to even
    [1 + 2 ** -11 + 2 ** -20, 0x3c01],
    [65519, 0x7bff],
    [65520, 0x7c00],
    [1e30, 0x7c00],
    [2 ** -25, 0x0000], // a tie, down to zero
    [2 ** -25 * 1.001, 0x0001],
    [3 * 2 ** -25, 0x0002],
    [5 * 2 ** -25, 0x0002],
    [1023.5 * 2 ** -24, 0x0400], // up into the normal numbers
    [2 ** -126, 0x0000],
    [1e-42, 0x0000],
  ]
  assert.equal(
    [...toHalf(Float32Array.from(cases, ([v]) => v))],
    cases.map(([, h]) => h),
  )
  assert.equal(
    [...toHalf(Float32Array.from(cases, ([v]) => -v))],
    cases.map(([, h]) => h | 0x8000),
  )
})

test('random numbers: no half is nearer', () => {
  const random = rng()
  const halves = fromHalf(Uint16Array.from({ length: 0x7c00 }, (_, i) => i))
  const values = Float32Array.from({ length: 20_000 }, () => 2 ** (-26 + 42 * random.next()) * (1 + random.next() / 2))
  toHalf(values).forEach((h, i) => {
    const error = Math.abs((halves[h] ?? 65536) - values[i])
    assert.ok(error <= Math.abs((halves[h - 1] ?? -1) - values[i]), `${values[i]} -> ${h}`)
    assert.ok(error <= Math.abs((halves[h + 1] ?? 65536) - values[i]), `${values[i]} -> ${h}`)
  })
})

test('bfloat16', () => {
  assert.equal(
    [...fromBfloat16(Uint16Array.of(0x3f80, 0xc020, 0x3e20, 0x7f80, 0x0001))],
    [1, -2.5, 0.15625, Number.POSITIVE_INFINITY, 2 ** -133],
  )
})

test('all 65,536 bfloat16 come back; between them the nearest, ties to even', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i)
  const isNan = (h: number) => (h & 0x7fff) > 0x7f80
  const wanted = all.map((h) => (isNan(h) ? 0x7fc0 : h))
  assert.equal(toBfloat16(fromBfloat16(all)), wanted)
  const ulp = 2 ** -7
  assert.equal(
    [...toBfloat16(Float32Array.of(1 + ulp / 2, 1 + 1.5 * ulp, 1 + ulp * 0.51, -1 - ulp * 0.49, 3.4e38))],
    [0x3f80, 0x3f82, 0x3f81, 0xbf80, 0x7f80],
  )
})
