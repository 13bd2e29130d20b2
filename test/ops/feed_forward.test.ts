import { gelu, geluSlope, geluTanh, geluTanhSlope } from '../../src/doctor/special'
import type { Device } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { add } from '../../src/ops/add'
import { feedForward } from '../../src/ops/feed_forward'
import { layerNorm } from '../../src/ops/layer_norm'
import { scale } from '../../src/ops/scale'
import { assert, openTestDevice, test } from '../harness'
import { bothForms, byBlocks, checkOp, columnSums, dispatches, type OpCase, product, sizes, values } from './check'

const forms = { none: [gelu, geluSlope], tanh: [geluTanh, geluTanhSlope] } as const
type Approximate = keyof typeof forms

const run = (approximate: Approximate) => (x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) =>
  feedForward(x, { weight: w1, bias: b1 }, { weight: w2, bias: b2 }, { approximate })

/** x [rows, h], W1 [f, h], W2 [out, f]. */
function reference(rows: number, h: number, f: number, out: number, approximate: Approximate): Pick<OpCase, 'forward' | 'backward'> {
  const [curve, slope] = forms[approximate]
  const up = (x: Float64Array, w1: Float64Array, b1: Float64Array) => product(x, w1, rows, f, h, false, true).map((v, i) => v + b1[i % f])
  return {
    forward: (x, w1, b1, w2, b2) => product(up(x, w1, b1).map(curve), w2, rows, out, f, false, true).map((v, i) => v + b2[i % out]),
    backward: (dy, x, w1, b1, w2) => {
      const z = up(x, w1, b1)
      const dz = product(dy, w2, rows, f, out).map((v, i) => v * slope(z[i]))
      const dw2 = product(dy, z.map(curve), out, f, rows, true)
      return [product(dz, w1, rows, h, f), product(dz, x, f, h, rows, true), columnSums(dz, f), dw2, columnSums(dy, out)]
    },
  }
}

function inputs(rows: number, h: number, f: number, out: number) {
  const value = values()
  return [value([rows, h]), value([f, h], 0.5), value([f], 1), value([out, f], 0.5), value([out])]
}

async function check(device: Device, [rows, h, f, out]: number[], name: string, half: number[] = []): Promise<void> {
  for (const approximate of ['none', 'tanh'] as const)
    await checkOp(device, {
      name: `feedForward [${rows}, ${h}] by ${f} to ${out}, gelu ${approximate}, ${name}`,
      inputs: inputs(rows, h, f, out),
      run: run(approximate),
      ...reference(rows, h, f, out, approximate),
      half,
      // z, which backward reads, is as x: rounded to 11 bits.
      ...(half.includes(0) && { tolerance: 5e-4 }),
    })
}

test('feedForward: the gradient of the reference is that of its differences', async () => {
  const device = await openTestDevice()
  const { forward } = reference(3, 5, 7, 4, 'none')
  await checkOp(device, { name: 'feedForward', inputs: inputs(3, 5, 7, 4), run: run('none'), forward })
})

test('feedForward: odd sizes and multiples of 4, over one tile, both gelus; on processors, on GPUs, and as an epilogue of large tiles', async () => {
  const device = await openTestDevice()
  const size = sizes()
  const shapes = [
    [1, 1, 1, 1],
    [9, 7, 33, 5],
    [37, 20, 68, 12],
    [70, 36, 140, 36],
    [size(40), 4 * size(12), 4 * size(30), 4 * size(12)],
  ]
  await bothForms(device, async (form) => {
    for (const shape of shapes) await check(device, shape, form)
  })
  for (const side of [8, 16])
    await byBlocks(side, async () => {
      for (const shape of shapes) await check(device, shape, `blocks-${side}`)
    })
})

test('feedForward: by every form of large tiles that a tuner may choose gelu and its slope come once', async () => {
  const device = await openTestDevice()
  await import('../../src/ops/gemm_variants')
  for (const kernel of ['ahead', 'baked-blocks', 'baked-ahead', 'split-2×blocks'])
    await byBlocks(8, () => check(device, [37, 20, 68, 12], kernel), kernel)
})

test('feedForward: x, the weights or all in half floats: y as x, gradients f32', async () => {
  const device = await openTestDevice()
  for (const half of [[0, 1, 3], [0], [1, 3]]) {
    await bothForms(device, (form) => check(device, [21, 20, 68, 12], `${half} half, ${form}`, half))
    await byBlocks(8, () => check(device, [21, 20, 68, 12], `${half} half, by blocks`, half))
  }
})

test('feedForward: a product with gelu or its slope is one dispatch by large tiles, two elsewhere; frozen weights cost nothing more', async () => {
  const device = await openTestDevice()
  const [x, w1, b1, w2, b2] = inputs(8, 16, 32, 16).map(({ data, shape }) => Tensor.from(device, data, shape))
  x.requireGrad()
  const ops = () =>
    dispatches(device, () => {
      const y = run('none')(x, w1, b1, w2, b2)
      y.backward(Tensor.from(device, new Float32Array(y.size), y.shape))
    }).map(({ op }) => op)
  const apart = ops()
  assert.equal(apart.slice(0, 6), ['linear', 'gelu', 'linear', 'linear.dx', 'gelu.backward', 'linear.dx'])
  await byBlocks(8, async () => assert.equal(ops().slice(0, 4), ['linear', 'linear', 'linear.dx', 'linear.dx']))
  // What follows keeps the gradient of x.
  assert.ok(apart.slice(6).every((op) => op === 'gradient'))
})

test('feedForward: the gradient of a residual is added in its product, where it lies with dy too', async () => {
  const device = await openTestDevice()
  const [x, w1, b1, w2, b2] = inputs(8, 16, 32, 16).map(({ data, shape }) => Tensor.from(device, data, shape))
  const [one, none] = [1, 0].map((v) => Tensor.from(device, new Float32Array(16).fill(v)))
  const gradient = async (residual: (x: Tensor, h: Tensor) => Tensor) => {
    const leaf = new Tensor(device, x.storage, x.shape).requireGrad()
    const made = dispatches(device, () => {
      const kept = scale(leaf, 1)
      residual(kept, run('none')(kept, w1, b1, w2, b2)).backward(x)
    })
    return { ops: made.map(({ op }) => op), values: await (leaf.grad as Tensor).data() }
  }
  const together = await gradient((x, h) => layerNorm(x, one, none, 1e-5, { h, dropout: null }))
  const apart = await gradient((x, h) => layerNorm(add(x, h), one, none))
  assert.ok(!together.ops.includes('accumulate'))
  assert.close(together.values, apart.values, 1e-5, 'dx')
})

test('feedForward: under a binding of 64 KiB, where products are cut, gelu comes after all parts', async () => {
  const device = await openTestDevice({ cap: { maxStorageBufferBindingSize: 65536, maxComputeWorkgroupsPerDimension: 64 } })
  for (const body of [
    () => check(device, [60, 20, 300, 20], 'capped'),
    () => byBlocks(8, () => check(device, [60, 20, 300, 20], 'capped, by blocks')),
  ])
    await body()
  device.destroy()
})

test('feedForward: weights that do not fit each other are an error', async () => {
  const device = await openTestDevice()
  const zeros = (...shape: number[]) => Tensor.empty(device, shape, 'test')
  const layer = (out: number, inputs: number) => ({ weight: zeros(out, inputs), bias: zeros(out) })
  assert.throws(() => feedForward(zeros(2, 3), layer(4, 3), layer(3, 5)), /feedForward: the second weight: wanted \[out, 4\], got \[3,5\]/)
  assert.throws(() => feedForward(zeros(2, 5), layer(4, 3), layer(3, 4)), /linear: the last dimension of x: wanted 3, got \[2,5\]/)
})
