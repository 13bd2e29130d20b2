import { checkpoint, noGrad, Tensor } from '../../src/graph'
import { add, linear, mul, relu, sum, tanh } from '../../src/ops'
import { sameBits } from '../gpu/check'
import { assert, openTestDevice, rng, test } from '../harness'

const n = 12

test('gradients of the input and of what the body uses have the bits that they have without', async () => {
  const device = await openTestDevice()
  const random = rng()
  const tensor = (shape: number[]) =>
    Tensor.from(
      device,
      random.normal(
        shape.reduce((a, b) => a * b),
        0.5,
      ),
      shape,
    ).requireGrad()
  const [x, w, b, other] = [tensor([7, n]), tensor([n, n]), tensor([n]), tensor([7, n])]
  let runs = 0
  // Its input has three consumers; `other` is used inside and after.
  const body = (t: Tensor) => {
    runs++
    return add(mul(tanh(linear(t, w, b)), t), add(relu(t), other))
  }
  const gradients = async (layer: (t: Tensor) => Tensor) => {
    const y = layer(layer(mul(x, x)))
    sum(mul(y, other)).backward()
    const all = [x, w, b, other].map((t) => t.grad as Tensor)
    for (const t of [x, w, b, other]) t.grad = null
    return Promise.all([y, ...all].map((t) => t.data()))
  }
  const plain = await gradients(body)
  assert.is(runs, 2)
  const kept = await gradients((t) => checkpoint(t, body))
  assert.is(runs, 6, 'each body ran once more in backward')
  for (const i of [0, 1]) sameBits(kept[i], plain[i], ['y', 'dx'][i])
  // Each layer adds to these; so they are summed in another order.
  for (const i of [2, 3, 4]) assert.close(kept[i], plain[i], 1e-6, ['dw', 'db', 'dother'][i - 2])
})

test('where nobody asks for a gradient the body runs once; an input without one gets none', async () => {
  const device = await openTestDevice()
  const x = Tensor.from(device, [1, -2, 3])
  const w = Tensor.from(device, [2, 3, 4])
  const y = checkpoint(x, (t) => mul(t, w))
  assert.is(y.requiresGrad, false)
  w.requireGrad()
  assert.is(noGrad(() => checkpoint(x, (t) => mul(t, w))).node, null)
  sum(checkpoint(x, (t) => mul(t, w))).backward()
  assert.equal([...(await (w.grad as Tensor).data())], [1, -2, 3])
  assert.is(x.grad, null)
})

test('a recording keeps the inputs of the bodies, not what is made inside', async () => {
  const device = await openTestDevice({})
  const x = Tensor.from(device, rng().normal(64 * 64), [64, 64]).requireGrad()
  const body = (t: Tensor) => {
    let y = t
    for (let i = 0; i < 6; i++) y = tanh(y)
    return y
  }
  const peak = async (layer: (t: Tensor) => Tensor) => {
    const before = device.memory.stats.liveBytes
    const { recording, result } = await device.record(
      'layers',
      () => {
        let y: Tensor = x
        for (let i = 0; i < 6; i++) y = layer(y)
        sum(y).backward()
        const { grad } = x
        x.grad = null
        return grad as Tensor
      },
      (dx) => [dx.storage],
    )
    const bytes = device.memory.stats.liveBytes - before
    await recording.replay()
    const dx = await result.data()
    recording.dispose()
    return { bytes, dx }
  }
  const [plain, kept] = [await peak(body), await peak((t) => checkpoint(t, body))]
  sameBits(kept.dx, plain.dx, 'dx')
  // 36 activations are kept without; with, 6 inputs and 6 of the layer that is run again.
  assert.ok(kept.bytes < plain.bytes / 2, `${kept.bytes} bytes, ${plain.bytes} without`)
  device.destroy()
})
