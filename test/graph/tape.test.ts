import { backwardAll, noGrad, Tensor } from '../../src/graph'
import { add, embedding, linear, loraLinear, matmul, mul, relu, scale, sub, sum, tanh } from '../../src/ops'
import { assert, openTestDevice, rng, test } from '../harness'
import { dispatches } from '../ops/check'

const numbers = async (t: Tensor | null) => [...(await (t as Tensor).data())]

test('sum(mul(y, y)).backward(); await x.grad.data()', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, [1, -2, 3]).requireGrad()
  const y = scale(x, 2)
  sum(mul(y, y)).backward()
  assert.equal(await numbers(x.grad), [8, -16, 24])
  assert.is(y.grad, null, 'only leaves keep a gradient')
})

test('a tensor with several consumers gets the sum of their gradients, diamonds too', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, [1, -2, 0.5]).requireGrad()
  const y = mul(x, x)
  const left = scale(y, 3)
  const right = mul(y, x)
  sum(add(add(left, right), sub(x, y))).backward()
  // d/dx (3x² + x³ + x − x²) = 4x + 3x² + 1
  assert.equal(await numbers(x.grad), [8, 5, 3.75])
})

test('products add their gradient to what is there, without a pass of its own, unless that memory serves another too', async () => {
  const device = await openTestDevice()
  const random = rng()
  const make = (...shape: number[]) => Tensor.from(device, random.uniform(shape[0] * shape[1], -1, 1), shape)
  const [x, w1, w2] = [make(5, 4).requireGrad(), make(4, 4), make(4, 4)]
  const lora = { A: make(2, 4).requireGrad(), B: make(4, 2).requireGrad(), scaling: 0.5 }
  // dx, and how many passes only added gradients.
  const gradient = async (form: (h: Tensor) => Tensor) => {
    const y = form(scale(x, 2))
    const ops = dispatches(device, () => y.backward(Tensor.from(device, new Float32Array(y.size).fill(1), y.shape)))
    const grad = x.grad as Tensor
    x.grad = lora.A.grad = lora.B.grad = null
    return { values: await grad.data(), passes: ops.filter(({ op }) => op === 'accumulate').length }
  }
  const sum = (a: Float32Array, b: Float32Array) => Float64Array.from(a, (v, i) => v + b[i])
  const factor = make(5, 4)
  const first = (h: Tensor) => mul(linear(h, w1), factor)
  const second = (h: Tensor) => loraLinear(h, w2, null, lora)
  const [one, two] = [await gradient(first), await gradient(second)]
  const both = await gradient((h) => add(first(h), second(h)))
  assert.close(both.values, sum(one.values, two.values), 1e-5)
  assert.is(both.passes, 0)
  // add hands one tensor to both of its inputs: what is in it belongs to the product as well.
  const around = await gradient((h) => scale(add(h, linear(h, w1)), 3))
  const through = await gradient((h) => scale(linear(h, w1), 3))
  assert.close(
    around.values,
    through.values.map((v) => v + 6),
    1e-5,
  )
  assert.is(around.passes, 1)
})

test('several calls of backward add up; taking the gradient away starts anew', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, [1, 2]).requireGrad()
  const loss = sum(mul(x, x))
  loss.backward()
  const first = x.grad as Tensor
  loss.backward()
  sum(scale(x, 10)).backward()
  assert.equal(await numbers(x.grad), [14, 18])
  assert.equal(await numbers(first), [2, 4], 'an earlier gradient is not changed')
  x.grad = null
  loss.backward()
  assert.equal(await numbers(x.grad), [2, 4])
})

test('noGrad leaves nothing on the tape, nested, and also after an error', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, [3]).requireGrad()
  const off = noGrad(() => noGrad(() => mul(x, x)))
  assert.is(off.requiresGrad, false)
  assert.throws(() => off.backward(), /no input of this tensor requires a gradient/)
  assert.throws(() =>
    noGrad(() => {
      throw new Error('inside')
    }),
  )
  mul(off, x).backward()
  assert.equal(await numbers(x.grad), [9])
})

test('frozen inputs get no gradient and their part of the graph costs nothing', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, [1, 2, 3, 4], [2, 2])
  const w = Tensor.from(device, [1, 1, 1, 1], [2, 2]).requireGrad()
  const below = relu(matmul(x, x))
  assert.is(below.node, null)
  const y = sum(matmul(below, w))
  const { recording } = await device.record(
    'backward',
    () => {
      y.backward(Tensor.from(device, [1]))
    },
    () => [],
  )
  assert.equal(
    recording.commands.map((c) => c.op),
    ['sum.backward', 'matmul.db'],
  )
  assert.is(x.grad, null)
  recording.dispose()
})

test('views: the same memory; gradients flow back through reshapes and parts', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, rng().uniform(192, -1, 1), [3, 64]).requireGrad()
  const values = await numbers(x)
  const rows = x.view([2, 64], 64)
  assert.equal(await numbers(rows), values.slice(64))
  sum(mul(rows, rows)).backward()
  sum(scale(x.view([64, 3]).view([192]), 0.5)).backward()
  assert.close(
    await numbers(x.grad),
    values.map((v, i) => (i < 64 ? 0.5 : 2 * v + 0.5)),
    1e-7,
  )
  x.write(new Float32Array(192).fill(2))
  assert.equal(await numbers(rows), new Array(128).fill(2))
  assert.throws(() => x.view([3, 65]), /view: \[3,65\] at 0 does not fit into \[3,64\]/)
  assert.throws(() => x.view([2], -1), /view: \[2\] at -1 does not fit/)
  assert.throws(() => x.view([1.5]), /view: a shape is made of whole numbers/)
})

test('seeds: given, by default one for a scalar, from several tensors at once', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, [1, 2, 3]).requireGrad()
  tanh(scale(x, 0)).backward(Tensor.from(device, [5, 6, 7]))
  assert.equal(await numbers(x.grad), [0, 0, 0])
  x.grad = null
  const [a, b] = [scale(x, 2), mul(x, x)]
  backwardAll([
    [a, Tensor.from(device, [1, 1, 1])],
    [b, Tensor.from(device, [1, 0, -1])],
    [a, Tensor.from(device, [10, 0, 0])],
  ])
  assert.equal(await numbers(x.grad), [24, 2, -4])
})

test('gradients are memory of their own: neither the seed nor another leaf shares it', async () => {
  const device = await openTestDevice()
  const [a, b] = [Tensor.from(device, [1, 2]).requireGrad(), Tensor.from(device, [3, 4]).requireGrad()]
  const seed = Tensor.from(device, [5, 6])
  add(a, b).backward(seed)
  const c = Tensor.from(device, [0, 0]).requireGrad()
  c.backward(seed)
  seed.dispose()
  a.grad?.dispose()
  assert.equal(await numbers(b.grad), [5, 6])
  assert.equal(await numbers(c.grad), [5, 6])
})

test('errors name the op, what was wanted and what was given', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, [1, 2, 3]).requireGrad()
  assert.throws(() => scale(x, 2).backward(), /a tensor of shape \[3\] needs a seed gradient of that shape/)
  assert.throws(() => scale(x, 2).backward(Tensor.from(device, [1])), /backward: the seed: wanted shape \[3\], got \[1\]/)
  assert.throws(() => Tensor.from(device, [1, 2], [3]), /tensor: shape \[3\] holds 3 elements, got 2/)
  assert.throws(() => Tensor.from(device, [], [-1]), /whole numbers, got \[-1\]/)
  assert.throws(() => x.write([1]), /write: tensor \[3\] holds 3 elements, got 1/)
  await assert.rejects(x.item(), /item: wanted one element, got shape \[3\]/)
  assert.throws(() => x.view([1], 1).bind(), /the tensor \[1\] made by tensor cannot be bound at byte 4: not aligned/)
  const table = Tensor.from(device, [1, 2], [2, 1]).requireGrad()
  const y = embedding(table, Tensor.from(device, [0], [1], 'i32'))
  assert.throws(() => sum(y).backward(), /a trained table needs the runs of its batch/)
  assert.is(scale(x, 1).requiresGrad, true, 'a rule that throws leaves the tape on')
})

test('a chain of 5,000 ops is differentiated without a deep stack', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, [1]).requireGrad()
  let y = x
  for (let i = 0; i < 5000; i++) y = add(y, x)
  y.backward()
  assert.equal(await numbers(x.grad), [5001])
})

test('integers go up and come back; an empty tensor is empty', async () => {
  const device = await openTestDevice()
  const ids = Tensor.from(device, [-1, 2 ** 31 - 1], [2], 'i32')
  assert.equal([...(await ids.integers())], [-1, 2 ** 31 - 1])
  assert.equal([...(await Tensor.from(device, [2 ** 32 - 1], [1], 'u32').data())], [2 ** 32])
  assert.is((await Tensor.from(device, [], [0, 4]).data()).length, 0)
})
