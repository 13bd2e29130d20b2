import { Tensor } from '../../src/graph'
import { openTestDevice, test } from '../harness'
import { checkOp, randomShapes, type Value, values } from './check'

type Scalar = (x: number) => number

function near(what: string, got: number, wanted: number, tolerance: number): void {
  if (!(Math.abs(got - wanted) <= tolerance)) throw new Error(`${what}: wanted ${wanted}, got ${got}`)
}

/** The tests that every activation has: f and f' in float64 are given. */
export function activationTests(name: string, run: (x: Tensor) => Tensor, f: Scalar, slope: Scalar): void {
  const check = async (what: string, input: Value, half: number[] = []) =>
    checkOp(await openTestDevice(), {
      name: `${name}, ${what}`,
      inputs: [input],
      half,
      run,
      forward: (x) => x.map(f),
      backward: (dy, x) => [dy.map((v, i) => v * slope(x[i]))],
    })
  const at = (...data: number[]): Value => ({ shape: [data.length], data: Float32Array.from(data) })

  test(`${name}: f' of the test is the difference of its f`, () => {
    for (let x = -6.05; x < 6; x += 0.3) near(`at ${x}`, slope(x), (f(x + 1e-5) - f(x - 1e-5)) / 2e-5, 1e-9)
  })

  test(`${name}: odd shapes and more than 64 KiB, small, usual and large numbers`, async () => {
    const value = values()
    // A number alone far to the left would be compared with 1e-100: relative errors mean nothing there.
    for (const shape of [[1], [7, 13], [3, 5, 33], [40001], [40004], ...randomShapes(3).map((s) => [...s, 2])])
      for (const spread of shape[0] === 1 ? [1e-3, 3] : [1e-3, 3, 30]) await check(`[${shape}] within ${spread}`, value(shape, spread))
  })

  test(`${name} of half floats: odd shapes and more than 64 KiB, usual and large numbers`, async () => {
    const value = values()
    // Few numbers that are all large would be compared with 1e-100, as above.
    for (const shape of [[7, 13], [40001], [40004], ...randomShapes(2).map((s) => [...s, 2])])
      for (const spread of shape[0] > 1000 ? [3, 1000] : [3]) await check(`f16 [${shape}] within ${spread}`, value(shape, spread), [0])
  })

  test(`${name}: ±13, ±100 and ±1e4 forward and backward, each number by itself`, async () => {
    const device = await openTestDevice()
    const points = [13, -13, 100, -100, 1e4, -1e4, 0, 1e-20, -1e-20, 3e38, -3e38]
    const x = Tensor.from(device, points).requireGrad()
    const y = run(x)
    y.backward(
      Tensor.from(
        device,
        points.map(() => 1),
      ),
    )
    const [got, gradient] = [await y.data(), await (x.grad as Tensor).data()]
    points.forEach((point, i) => {
      const p = Math.fround(point)
      near(`f(${p})`, got[i], f(p), 1e-6 * Math.abs(f(p)) + 1e-21)
      near(`f'(${p})`, gradient[i], slope(p), 1e-6 * Math.abs(slope(p)) + 1e-21)
    })
  })

  test(`${name}: what is no number stays none, and does not reach its neighbours`, async () => {
    const x = Tensor.from(await openTestDevice(), [Number.NaN, 1, -1, Number.NaN, 2])
    const got = await run(x).data()
    got.forEach((y, i) => {
      if (Number.isNaN(y) !== (i % 3 === 0)) throw new Error(`number ${i}: got ${y}`)
    })
  })

  test(`${name}: dense over −12 … 12, where the formula changes its branches`, async () => {
    await check('dense', at(...Array.from({ length: 4001 }, (_, i) => (i - 2000) * 0.006)))
    for (const start of [-6, -5, -4, -3, -2, -1, -0.2, 0, 0.1, 1, 2, 4, 8])
      await check(`from ${start}`, at(...Array.from({ length: 101 }, (_, i) => start + i * 0.0101)))
  })
}
