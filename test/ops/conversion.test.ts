import { Tensor } from '../../src/graph'
import { convert, convertAll, packedLayout } from '../../src/ops/conversion'
import { assert, openTestDevice, test } from '../harness'
import { bothForms, differences, dispatches, sizes, values } from './check'
import { backward, checkConversion, forward, stack, thetas } from './conversion_reference'
import { withHalves } from './half'

const cap = { maxStorageBufferBindingSize: 65536, maxComputeWorkgroupsPerDimension: 64 }

test('conversion: the gradients of the reference are those of its differences', async () => {
  const device = await openTestDevice()
  const value = values()
  for (const [form, out] of [
    ['code', 4],
    ['rectangular', 3],
  ] as const) {
    const s = stack(device, value, 2, out, 4)
    const [ta, tb] = thetas(s, form, 2, value).map(({ data }) => Float64Array.from(data))
    const [da, db] = [value([2 * 2 * 4]), value([2 * out * 2])].map(({ data }) => Float64Array.from(data))
    const packed = (a: Float64Array, b: Float64Array) => {
      const y = forward(s, form, a, b, 2)
      return [...y.a, ...y.b]
    }
    const [wantA, wantB] = differences(packed, [ta, tb], Float64Array.from([...da, ...db]))
    const got = backward(s, form, da, db, 2)
    assert.close(got.thetaA, wantA, 1e-6, form)
    assert.close(got.thetaB, wantB, 1e-6, form)
  }
})

test('conversion, code: every rank, odd sizes and sizes over a tile of 64, one layer and several; both kernels', async () => {
  const device = await openTestDevice()
  const value = values()
  await bothForms(device, async (kernels) => {
    for (const [layers, n, r] of [
      [1, 1, 1],
      [1, 5, 4],
      [3, 64, 8],
      [2, 65, 9],
      [4, 33, 16],
      [2, 131, 33],
      [5, 17, 1],
    ])
      await checkConversion(
        device,
        `code ${layers} × [${n}, ${n}] r ${r}, ${kernels}`,
        stack(device, value, layers, n, n),
        'code',
        r,
        value,
      )
  })
})

test('conversion, rectangular: wide, tall and square weights at every rank; both kernels', async () => {
  const device = await openTestDevice()
  const value = values()
  await bothForms(device, async (kernels) => {
    for (const [layers, out, inputs, r] of [
      [1, 1, 3, 1],
      [3, 7, 13, 4],
      [2, 132, 68, 8],
      [2, 65, 130, 9],
      [4, 20, 70, 16],
      [1, 67, 37, 33],
      [2, 64, 64, 8],
    ]) {
      const s = stack(device, value, layers, out, inputs)
      await checkConversion(device, `rectangular ${layers} × [${out}, ${inputs}] r ${r}, ${kernels}`, s, 'rectangular', r, value)
    }
  })
})

test('conversion: weights in half floats, in a stack and apart, also over a binding; A, B and gradients in f32', async () => {
  for (const options of [{}, { cap }]) {
    const device = await openTestDevice(options)
    const value = values()
    await withHalves(device, () =>
      bothForms(device, async (kernels) => {
        for (const [layers, out, inputs, r, parts] of [
          [3, 33, 33, 5, 3],
          [2, 64, 64, 8, 0],
          [2, 135, 135, 8, 3],
        ])
          for (const form of ['code', 'rectangular'] as const) {
            const s = stack(device, value, layers, out, inputs, parts, Math.max(0, parts - 1), 'f16')
            await checkConversion(device, `${form} ${layers} × [${out}, ${inputs}] r ${r}, ${kernels}`, s, form, r, value)
          }
        const s = stack(device, value, 2, 20, 69, 3, 1, 'f16')
        await checkConversion(device, `not square, ${kernels}`, s, 'rectangular', 4, value)
      }),
    )
    device.destroy()
  }
})

test('conversion: random shapes, ranks and places of the layers', async () => {
  const device = await openTestDevice()
  const value = values()
  const size = sizes()
  for (let i = 0; i < 6; i++) {
    const [layers, out, inputs, r, parts] = [size(5), size(90), size(90), size(20), size(4) - 1]
    const form = i % 2 ? 'code' : 'rectangular'
    const n = form === 'code' ? out : inputs
    const s = stack(device, value, layers, out, n, parts, Math.max(0, parts - 1))
    await checkConversion(device, `${form} ${layers} × [${out}, ${n}] r ${r}, ${parts} parts`, s, form, r, value)
  }
})

test('conversion: a stack is read in place: a dispatch each for A and B of all layers and for all partial dΘ, one sum', async () => {
  const device = await openTestDevice({ cap: { maxStorageBufferBindingSize: 128 << 20 } })
  const value = values()
  const [layers, n, r] = [6, 40, 4]
  for (const form of ['code', 'rectangular'] as const) {
    const s = stack(device, value, layers, n, n, 3, 2)
    const [thetaA, thetaB] = thetas(s, form, r, value).map(({ data, shape }) => Tensor.from(device, data, shape).requireGrad())
    const before = device.memory.stats.liveBytes
    let y: Tensor | undefined
    const made = dispatches(device, () => (y = convert(s.tensors, thetaA, thetaB, form)))
    assert.equal(
      made.map((d) => d.op),
      ['conversion', 'conversion'],
    )
    // Bound: the stack from the first layer's to the last layer's end (and the way to an aligned start).
    const stretch = ((layers - 1) * 3 + 1) * n * n * 4
    for (const bound of made.map(({ bytes }) => Math.max(...bytes)))
      assert.ok(bound >= stretch && bound < stretch + 256, `bound ${bound} of ${stretch}`)
    // All that was allocated is A and B themselves, far less than the weights of the stack.
    const grown = device.memory.stats.liveBytes - before
    assert.ok(grown <= 1.25 * layers * 2 * (r * n * 4 + 256) && grown < (layers * n * n * 4) / 2, `${grown} bytes allocated`)
    const seed = Tensor.from(device, new Float32Array((y as Tensor).size), (y as Tensor).shape)
    const back = dispatches(device, () => (y as Tensor).backward(seed))
    assert.equal(
      back.map((d) => d.op),
      ['conversion.dtheta', 'conversion.dtheta', 'conversion.sum'],
      form,
    )
  }
  device.destroy()
})

test('conversion: layers in storages of their own, and some of them together', async () => {
  const device = await openTestDevice()
  const value = values()
  for (const form of ['code', 'rectangular'] as const) {
    const apart = stack(device, value, 3, 21, 21, 0)
    await checkConversion(device, `${form}, apart`, apart, form, 5, value)
    const together = stack(device, value, 2, 21, 21, 2, 0)
    const mixed = {
      ...apart,
      tensors: [apart.tensors[0], ...together.tensors, apart.tensors[2]],
      layers: [apart.layers[0], ...together.layers, apart.layers[2]],
    }
    await checkConversion(device, `${form}, mixed`, mixed, form, 5, value)
    // Unevenly spaced, backwards, and one weight for two layers (as ALBERT shares them).
    const [a, b, c] = [2, 0, 1].map((l) => ({ t: apart.tensors[l], w: apart.layers[l] }))
    const views = stack(device, value, 4, 21, 21, 1, 0)
    const order = [3, 0, 1, 1]
    const odd = {
      ...apart,
      tensors: [...order.map((l) => views.tensors[l]), a.t, b.t, c.t],
      layers: [...order.map((l) => views.layers[l]), a.w, b.w, c.w],
    }
    await checkConversion(device, `${form}, in any order`, odd, form, 5, value)
  }
})

test('conversion: stacks over a binding go in groups of layers, a layer over a binding in parts of its rows', async () => {
  const device = await openTestDevice({ cap })
  const value = values()
  await bothForms(device, async (kernels) => {
    for (const [layers, out, inputs, r, count, parts] of [
      [7, 52, 52, 8, 8, 3], // 3 × 10.8 KB between layers: two layers a binding; a product for A and one for B
      [5, 100, 100, 9, 10, 1], // 40 KB: one layer a binding
      [2, 130, 131, 8, 8, 1], // 68 KB: each layer in two parts
      [1, 201, 200, 3, 8, 0], // 160 KB: four parts
      [70, 6, 6, 1, 2, 1], // many small ones: 64 groups a dimension fold
    ]) {
      const s = stack(device, value, layers, out, inputs, parts, 0)
      const run = () =>
        convert(
          s.tensors,
          ...(thetas(s, 'rectangular', r, value).map((t) => Tensor.from(device, t.data, t.shape)) as [Tensor, Tensor]),
          'rectangular',
        )
      assert.is(dispatches(device, run).length, count, `dispatches of ${layers} × [${out}, ${inputs}]`)
      await checkConversion(device, `rectangular ${layers} × [${out}, ${inputs}] r ${r}, ${kernels}`, s, 'rectangular', r, value)
    }
    for (const [layers, n, r] of [
      [7, 52, 8],
      [2, 135, 8],
    ])
      await checkConversion(
        device,
        `code ${layers} × [${n}, ${n}] r ${r}, ${kernels}`,
        stack(device, value, layers, n, n, 3),
        'code',
        r,
        value,
      )
  })
  device.destroy()
})

test('conversion: the same bits every time', async () => {
  const device = await openTestDevice()
  const value = values()
  const s = stack(device, value, 4, 66, 66)
  const inputs = thetas(s, 'code', 8, value)
  const seed = value([4 * 2 * 8 * 66 + 1000]).data
  const all = new Set<string>()
  for (let i = 0; i < 3; i++) {
    const [a, b] = inputs.map(({ data, shape }) => Tensor.from(device, data, shape).requireGrad())
    const y = convert(s.tensors, a, b, 'code')
    y.backward(Tensor.from(device, seed.subarray(0, y.size), y.shape))
    all.add([...(await (a.grad as Tensor).data()), ...(await (b.grad as Tensor).data())].join())
  }
  assert.is(all.size, 1)
})

test('conversion: what does not fit is an error that says what to do', async () => {
  const device = await openTestDevice()
  const make = (...shape: number[]) => Tensor.from(device, new Float32Array(shape.reduce((n, d) => n * d, 1)), shape)
  assert.throws(
    () => convert([make(4, 6)], make(2, 6), make(2, 6), 'code'),
    /conversion: .*code.*"rectangular".*: wanted \[n, n\], got \[4, 6\]/,
  )
  assert.throws(() => convert([], make(2, 6), make(2, 6), 'code'), /conversion: weights: wanted at least one layer, got none/)
  assert.throws(
    () => convert([make(4, 4), make(4, 5)], make(2, 4), make(2, 4), 'code'),
    /conversion: weights: wanted \[4, 4\] in every layer/,
  )
  assert.throws(() => convert([make(4, 6)], make(2, 6), make(2, 6), 'rectangular'), /conversion: thetaA: wanted \[2,4\], got \[2,6\]/)
  assert.throws(() => convert([make(6, 6)], make(2, 6), make(3, 6), 'code'), /conversion: thetaB: wanted \[2, 6\], got \[3,6\]/)
})

test('convertAll: kinds of layers together are each by itself, to the bit, with one sum in backward', async () => {
  const device = await openTestDevice()
  const value = values()
  for (const form of ['code', 'rectangular'] as const)
    for (const [layers, n, r] of [
      [3, 20, 4],
      [2, 33, 5],
    ]) {
      const kinds = [0, 2].map((pick) => {
        const [thetaA, thetaB] = thetas({ tensors: [], layers: [], outputs: n, inputs: n }, form, r, value).map(({ data, shape }) =>
          Tensor.from(device, data, shape).requireGrad(),
        )
        return { weights: stack(device, value, layers, n, n, 3, pick).tensors, thetaA, thetaB }
      })
      const all = convertAll(kinds, form)
      const at = packedLayout(2 * layers, r, n, n)
      const seed = Tensor.from(device, value([at.size]).data)
      const ops = dispatches(device, () => all.backward(seed)).map(({ op }) => op)
      assert.is(ops.filter((op) => op === 'conversion.sum').length, 1)
      const [found, gradient] = [await all.data(), await seed.data()]
      const alone = packedLayout(layers, r, n, n)
      for (const [kind, { weights, thetaA, thetaB }] of kinds.entries()) {
        const one = convert(weights, thetaA, thetaB, form)
        const [wanted, own] = [await one.data(), new Float32Array(alone.size)]
        for (let l = 0; l < layers; l++)
          for (const [to, from] of [
            [l * at.strideA, (2 * l + kind) * at.strideA],
            [alone.startB + l * at.strideB, at.startB + (2 * l + kind) * at.strideB],
          ]) {
            assert.equal(found.subarray(from, from + r * n), wanted.subarray(to, to + r * n), `${form}, kind ${kind}, layer ${l}`)
            own.set(gradient.subarray(from, from + r * n), to)
          }
        const together = [thetaA, thetaB].map(({ grad }) => grad as Tensor)
        thetaA.grad = thetaB.grad = null
        one.backward(Tensor.from(device, own, one.shape))
        for (const [i, { grad }] of [thetaA, thetaB].entries())
          assert.equal(await together[i].data(), await (grad as Tensor).data(), `${form}, dΘ`)
      }
    }
})
