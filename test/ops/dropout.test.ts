import { Tensor } from '../../src/graph'
import { dropout, dropoutForward, keepMask } from '../../src/ops/dropout'
import { assert, openTestDevice, test } from '../harness'
import { checkOp, randomShapes, values } from './check'

const state = [0x12345678, 0x9abcdef0, 3, 0]

test('dropout: forward and backward use the mask that the processor computes, at any size', async () => {
  const device = await openTestDevice()
  const value = values()
  const rng = { state: Tensor.from(device, state, [4], 'u32'), stream: 5 }
  for (const [shape, p] of [
    [[1], 0.5],
    [[7], 0.3],
    [[8], 0.9],
    [[9], 0.1],
    [[3, 5, 33], 0.1],
    [[513], 0.5],
    [[301, 129], 0.25],
    [[512, 36], 0.25],
    ...randomShapes(4).map((shape) => [shape, 0.4] as const),
  ] as const) {
    const { data } = value([...shape])
    const keep = keepMask(data.length, p, state, rng.stream)
    const expected = (v: Float32Array) => Float64Array.from(v, (at, i) => (keep[i] * at) / (1 - p))
    const x = Tensor.from(device, data, shape).requireGrad()
    const y = dropout(x, p, rng)
    assert.close(await y.data(), expected(data), 1e-6, `y [${shape}]`)
    const dy = value([...shape]).data
    y.backward(Tensor.from(device, dy, shape))
    assert.close(await (x.grad as Tensor).data(), expected(dy), 1e-6, `dx [${shape}]`)
    await checkOp(device, {
      name: `dropout of half floats [${shape}]`,
      inputs: [value([...shape])],
      run: (x) => dropout(x, p, rng),
      forward: (x) => x.map((at, i) => (keep[i] * at) / (1 - p)),
      backward: (dy) => [dy.map((at, i) => (keep[i] * at) / (1 - p))],
      half: [0],
    })
  }
})

test('dropout: the share of kept elements is 1 − p and their mean stays', async () => {
  const device = await openTestDevice()
  const n = 100_000
  const ones = Tensor.from(device, new Float32Array(n).fill(1))
  for (const p of [0.05, 0.1, 0.5, 0.9]) {
    const y = await dropout(ones, p, { state: Tensor.from(device, state, [4], 'u32'), stream: 1 }).data()
    const kept = y.filter((v) => v !== 0).length / n
    const deviation = Math.sqrt((p * (1 - p)) / n)
    if (Math.abs(kept - (1 - p)) > 5 * deviation) throw new Error(`p = ${p}: kept ${kept}`)
    assert.close([y.find((v) => v !== 0) ?? 0], [1 / (1 - p)], 1e-6)
  }
})

test('dropout: seed, step and stream each change the mask; the same ones give it again', async () => {
  const device = await openTestDevice()
  const ones = Tensor.from(device, new Float32Array(1000).fill(1))
  const draw = async (words: number[], stream: number) =>
    [...(await dropoutForward('dropout', ones, 0.5, { state: Tensor.from(device, words, [4], 'u32'), stream }).data())].join()
  const base = await draw(state, 0)
  assert.is(await draw(state, 0), base)
  const others = [
    await draw(state, 1),
    ...(await Promise.all(
      [0, 1, 2].map((i) =>
        draw(
          state.map((w, j) => (i === j ? w + 1 : w)),
          0,
        ),
      ),
    )),
  ]
  assert.is(new Set([base, ...others]).size, 5)
})

test('dropout: p = 0 gives x itself; p of 1, negative or no number is an error', async () => {
  const device = await openTestDevice()
  const rng = { state: Tensor.from(device, state, [4], 'u32'), stream: 0 }
  const x = Tensor.from(device, [1, 2, 3])
  assert.is(dropout(x, 0, rng), x)
  for (const p of [1, -0.1, Number.NaN]) assert.throws(() => dropout(x, p, rng), /dropout: p: wanted a number in \[0, 1\), got/)
})
