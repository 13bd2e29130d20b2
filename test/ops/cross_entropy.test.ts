import { Tensor } from '../../src/graph'
import { type CrossEntropyOptions, crossEntropy } from '../../src/ops/cross_entropy'
import { assert, openTestDevice, rng, test } from '../harness'
import { checkOp, sizes, values } from './check'

/** loss = LSE(z) − (1 − ε)·z_t − (ε/c)·Σ z, over the rows that count. */
function reference(
  z: Float64Array,
  labels: Int32Array,
  { labelSmoothing = 0, ignoreIndex = -100, reduction = 'mean' }: CrossEntropyOptions,
): number {
  const c = z.length / labels.length
  const smoothing = Math.fround(labelSmoothing)
  let loss = 0
  let count = 0
  labels.forEach((t, i) => {
    if (t === ignoreIndex) return
    const row = z.subarray(i * c, (i + 1) * c)
    const peak = Math.max(...row)
    const lse = peak + Math.log(row.reduce((s, v) => s + Math.exp(v - peak), 0))
    loss += lse - (1 - smoothing) * row[t] - (smoothing / c) * row.reduce((s, v) => s + v, 0)
    count++
  })
  return reduction === 'sum' ? loss : count ? loss / count : 0
}

/** softmax − target of each row that counts, over their number. */
function gradient(dy: number, z: Float64Array, labels: Int32Array, options: CrossEntropyOptions): Float64Array {
  const { labelSmoothing = 0, ignoreIndex = -100, reduction = 'mean' } = options
  const c = z.length / labels.length
  const count = reduction === 'sum' ? 1 : labels.filter((t) => t !== ignoreIndex).length
  const smoothing = Math.fround(labelSmoothing)
  const out = new Float64Array(z.length)
  labels.forEach((t, i) => {
    if (t === ignoreIndex) return
    const row = z.subarray(i * c, (i + 1) * c)
    const peak = Math.max(...row)
    const sum = row.reduce((s, v) => s + Math.exp(v - peak), 0)
    row.forEach((v, j) => (out[i * c + j] = (dy / count) * (Math.exp(v - peak) / sum - (j === t ? 1 - smoothing : 0) - smoothing / c)))
  })
  return out
}

test('crossEntropy: the gradient of the reference is that of its differences', async () => {
  const device = await openTestDevice()
  const labels = Int32Array.from([2, -100, 0])
  const options = { labelSmoothing: 0.1 }
  await checkOp(device, {
    name: 'crossEntropy',
    inputs: [values()([3, 4])],
    run: (z) => crossEntropy(z, Tensor.from(device, labels, [3], 'i32'), options),
    forward: (z) => [reference(z, labels, options)],
  })
})

test('crossEntropy: one row, two and many classes, ignored rows, smoothing, sum, over 64 KiB', async () => {
  const device = await openTestDevice()
  const random = rng()
  const value = values()
  const size = sizes()
  const forms: CrossEntropyOptions[] = [{}, { labelSmoothing: 0.1 }, { reduction: 'sum' }, { ignoreIndex: 1 }]
  for (const [n, c] of [
    [1, 2],
    [16, 2],
    [7, 3],
    [129, 65],
    [5, 1031],
    [400, 77],
    [1 + size(90), 1 + size(40)],
    [1 + size(90), 1 + size(40)],
  ])
    for (const options of forms) {
      const { ignoreIndex = -100 } = options
      const labels = Int32Array.from({ length: n }, (_, i) => (i > 0 && random.next() < 0.2 ? ignoreIndex : random.int(0, c - 1)))
      labels[0] = 0 // a row that counts
      await checkOp(device, {
        name: `crossEntropy [${n}, ${c}] ${JSON.stringify(options)}`,
        // One sure row alone is all cancellation (softmax − 1): relative errors mean little there.
        inputs: [value([n, c], n === 1 ? 1 : 4)],
        run: (z) => crossEntropy(z, Tensor.from(device, labels, [n], 'i32'), options),
        forward: (z) => [reference(z, labels, options)],
        backward: ([dy], z) => [gradient(dy, z, labels, options)],
      })
    }
})

test('crossEntropy: huge logits; all rows ignored give 0 and no gradient', async () => {
  const device = await openTestDevice()
  const z = Tensor.from(device, [1e4, -1e4, 0, 88, 89, 90], [2, 3]).requireGrad()
  const loss = crossEntropy(z, Tensor.from(device, [0, 2], [2], 'i32'))
  assert.close([await loss.item()], [reference(Float64Array.from([1e4, -1e4, 0, 88, 89, 90]), Int32Array.from([0, 2]), {})], 1e-6)
  const none = crossEntropy(z, Tensor.from(device, [-100, -100], [2], 'i32'))
  assert.is(await none.item(), 0)
  none.backward()
  assert.equal([...(await (z.grad as Tensor).data())], [0, 0, 0, 0, 0, 0])
})

test('crossEntropy: labels of another size or type are an error', async () => {
  const device = await openTestDevice()
  const z = Tensor.from(device, new Float32Array(6), [2, 3])
  assert.throws(() => crossEntropy(z, Tensor.from(device, [0], [1], 'i32')), /crossEntropy: labels: wanted \[2\], got \[1\]/)
  for (const dtype of ['f32', 'f16'] as const)
    assert.throws(
      () => crossEntropy(z, Tensor.empty(device, [2], 'test', dtype)),
      new RegExp(`crossEntropy: labels: wanted i32, got ${dtype}`),
    )
  const half = Tensor.empty(device, [2, 3], 'test', 'f16')
  assert.throws(() => crossEntropy(half, Tensor.empty(device, [2], 'test', 'i32')), /crossEntropy: logits: wanted f32, got f16/)
})
