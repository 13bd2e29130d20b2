import { Tensor } from '../../src/graph'
import { softmax } from '../../src/ops/softmax'
import { assert, openTestDevice, rng, test } from '../harness'
import { bothForms, checkOp, randomShapes, sizes, values } from './check'

interface Row {
  n: number
  scale?: number
  /** Whether place j of row i counts. */
  keep?: (i: number, j: number) => boolean
}

/** Row by row in float64; masked places 0, a fully masked row all 0. */
function reference(x: Float64Array, { n, scale = 1, keep = () => true }: Row): Float64Array {
  const p = new Float64Array(x.length)
  for (let i = 0; i < x.length / n; i++) {
    const at = (j: number) => scale * x[i * n + j]
    const kept = Array.from({ length: n }, (_, j) => j).filter((j) => keep(i, j))
    const peak = Math.max(...kept.map(at))
    const sum = kept.reduce((s, j) => s + Math.exp(at(j) - peak), 0)
    for (const j of kept) p[i * n + j] = Math.exp(at(j) - peak) / sum
  }
  return p
}

function gradient(dp: Float64Array, x: Float64Array, row: Row): Float64Array {
  const p = reference(x, row)
  const { n, scale = 1 } = row
  return x.map((_, at) => {
    const first = at - (at % n)
    let dot = 0
    for (let j = first; j < first + n; j++) dot += p[j] * dp[j]
    return scale * p[at] * (dp[at] - dot)
  })
}

test('softmax: the gradient of the reference is that of its differences', async () => {
  const device = await openTestDevice()
  const row = { n: 7, scale: 0.7 }
  await checkOp(device, {
    name: 'softmax',
    inputs: [values()([3, 7])],
    run: (x) => softmax(x, { scale: 0.7 }),
    forward: (x) => reference(x, row),
  })
})

test('softmax: odd rows, one row, one column, more rows than a group, over 64 KiB', async () => {
  const device = await openTestDevice()
  const value = values()
  await bothForms(device, async (form) => {
    for (const shape of [[1, 1], [1, 5], [5, 1], [3, 37], [129, 65], [2, 3, 5, 129], [5, 1031], [301, 200], ...randomShapes(3)]) {
      const row = { n: shape.at(-1) as number, scale: 0.5 }
      await checkOp(device, {
        name: `softmax [${shape}], ${form}`,
        inputs: [value(shape, 5)],
        run: (x) => softmax(x, { scale: 0.5 }),
        forward: (x) => reference(x, row),
        backward: (dp, x) => [gradient(dp, x, row)],
      })
    }
  })
})

test('softmax: masks with padded tails, holes and fully masked rows, shared by several rows', async () => {
  const device = await openTestDevice()
  const random = rng()
  const value = values()
  const size = sizes()
  await bothForms(device, async (form) => {
    // [masks, rows that share one, n]; the last exceeds 64 KiB and cuts a mask's rows apart.
    for (const [masks, perMask, n] of [
      [1, 1, 5],
      [3, 7, 12],
      [3, 4, 33],
      [2, 35, 64],
      [5, 70, 128],
      [size(4), size(9), size(50)],
      [size(4), size(9), size(50)],
    ]) {
      const bits = Int32Array.from({ length: masks * n }, (_, i) => Number(i % n < random.int(1, n)))
      bits.fill(0, 0, n)
      const shape = [masks, perMask, n]
      const row = { n, keep: (i: number, j: number) => bits[Math.floor(i / perMask) * n + j] === 1 }
      const mask = Tensor.from(device, bits, [masks, n], 'i32')
      const inputs = [value(shape, 5)]
      await checkOp(device, {
        name: `softmax with mask [${shape}], ${form}`,
        inputs,
        run: (x) => softmax(x, { mask }),
        forward: (x) => reference(x, row),
        backward: (dp, x) => [gradient(dp, x, row)],
      })
      const p = await softmax(Tensor.from(device, inputs[0].data, shape), { mask, rowsPerMask: perMask }).data()
      const leaks = [...p].filter((v, i) => v !== 0 && !row.keep(Math.floor(i / n), i % n))
      assert.equal(leaks, [])
    }
  })
})

test('softmax: huge and equal numbers, alone and beside masked ones', async () => {
  const device = await openTestDevice()
  const data = Float32Array.from([1e4, -1e4, 0, 1e30, 1e30, -1e30, -3e38, -3e38, -3e38, 100, 99, -100])
  const mask = Tensor.from(device, [1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1], [4, 3], 'i32')
  await bothForms(device, async (form) => {
    const run = async (options: object) => [...(await softmax(Tensor.from(device, data, [4, 3]), options).data())]
    assert.close(await run({}), reference(Float64Array.from(data), { n: 3 }), 1e-6, form)
    const keep = (i: number, j: number) => !(j === 0 && (i === 1 || i === 3))
    assert.close(await run({ mask }), reference(Float64Array.from(data), { n: 3, keep }), 1e-6, `masked, ${form}`)
  })
})

test('softmax: in long rows too, huge numbers, late peaks and parts that are masked', async () => {
  const device = await openTestDevice()
  const n = 48
  const high = [1e4, -1e4, 1e30, -3e38, 3e38, 0]
  const data = Float32Array.from({ length: high.length * n }, (_, i) => (i % n === 40 ? high[Math.floor(i / n)] : -3 + (i % 7)))
  data.fill(-3e38, 3 * n, 4 * n)
  // All but the first rows lack a part: the middle, the start with all of a block, the peak, everything.
  const keep = (i: number, j: number) => [true, j < 5 || j > 30, j !== 40, j > 16, j >= 40, false][i]
  const bits = Int32Array.from(data, (_, i) => Number(keep(Math.floor(i / n), i % n)))
  const mask = Tensor.from(device, bits, [high.length, n], 'i32')
  const x = Tensor.from(device, data, [high.length, n])
  const p = await softmax(x, { mask }).data()
  assert.close([...p], reference(Float64Array.from(data), { n, keep }), 1e-6)
  assert.equal(
    [...p].filter((v, i) => v !== 0 && !bits[i]),
    [],
  )
  assert.close([...(await softmax(x).data())], reference(Float64Array.from(data), { n }), 1e-6)
})

test('softmax: masks that do not fit are an error', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, new Float32Array(12), [4, 3])
  const mask = (shape: number[], dtype: 'i32' | 'f32' | 'f16' = 'i32') =>
    Tensor.from(device, new Int32Array(shape[0] * shape[1]), shape, dtype)
  assert.throws(() => softmax(x, { mask: mask([1, 4]) }), /softmax: mask: wanted \[.., 3\], got \[1,4\]/)
  assert.throws(() => softmax(x, { mask: mask([1, 3], 'f32') }), /softmax: mask: wanted i32, got f32/)
  assert.throws(() => softmax(x, { mask: mask([1, 3], 'f16') }), /softmax: mask: wanted i32, got f16/)
  assert.throws(() => softmax(Tensor.empty(device, [4, 3], 'test', 'f16')), /softmax: x: wanted f32, got f16/)
  assert.throws(
    () => softmax(x, { mask: mask([2, 3]), rowsPerMask: 3 }),
    /softmax: rowsPerMask times the 2 rows of the mask: wanted 4 rows of x, got rowsPerMask 3/,
  )
  assert.throws(
    () => softmax(x, { mask: mask([3, 3]) }),
    /softmax: rowsPerMask times the 3 rows of the mask: wanted 4 rows of x, got rowsPerMask 1.33/,
  )
})
