import type { Device } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { dropout, keepMask } from '../../src/ops/dropout'
import { addLowRank, loraLinear } from '../../src/ops/lora_linear'
import { assert, openTestDevice, test } from '../harness'
import {
  bothForms,
  checkOp,
  columnSums,
  dispatches,
  gradients,
  product,
  productForms,
  sideBySide,
  sizes,
  type Value,
  values,
} from './check'

interface Sizes {
  lead: number[]
  out: number
  inputs: number
  r: number
  scaling: number
}

const rowsOf = ({ lead }: Sizes) => lead.reduce((n, d) => n * d, 1)

/** y = x·Wᵀ + s·(x'·Aᵀ)·Bᵀ (+ b). */
function forward(s: Sizes, x: Float64Array, w: Float64Array, a: Float64Array, b: Float64Array, x2: Float64Array, bias?: Float64Array) {
  const rows = rowsOf(s)
  const h = product(x2, a, rows, s.r, s.inputs, false, true)
  const low = product(h, b, rows, s.out, s.r, false, true)
  return product(x, w, rows, s.out, s.inputs, false, true).map((v, i) => v + s.scaling * low[i] + (bias ? bias[i % s.out] : 0))
}

/** Gradients by x (the frozen path), W, A, B, x' and b. */
function backward(s: Sizes, dy: Float64Array, x: Float64Array, w: Float64Array, a: Float64Array, b: Float64Array, x2: Float64Array) {
  const rows = rowsOf(s)
  const h = product(x2, a, rows, s.r, s.inputs, false, true)
  const dh = product(dy, b, rows, s.r, s.out).map((v) => s.scaling * v)
  return {
    x: product(dy, w, rows, s.inputs, s.out),
    w: product(dy, x, s.out, s.inputs, rows, true),
    a: product(dh, x2, s.r, s.inputs, rows, true),
    b: product(dy, h, s.out, s.r, rows, true).map((v) => s.scaling * v),
    x2: product(dh, a, rows, s.inputs, s.r),
    bias: columnSums(dy, s.out),
  }
}

type Make = ReturnType<typeof values>

const inputsOf = (s: Sizes, value: Make) => [
  value([...s.lead, s.inputs]),
  value([s.out, s.inputs]),
  value([s.r, s.inputs]),
  value([s.out, s.r]),
]

async function check(device: Device, name: string, s: Sizes, bias: boolean, value: Make): Promise<void> {
  await checkOp(device, {
    name: `${name} [${s.lead}, ${s.inputs}] to ${s.out}, r ${s.r}${bias ? ', bias' : ''}`,
    inputs: [...inputsOf(s, value), ...(bias ? [value([s.out])] : [])],
    run: (x, w, A, B, b) => loraLinear(x, w, b ?? null, { A, B, scaling: s.scaling }),
    forward: (x, w, a, b, c) => forward(s, x, w, a, b, x, c),
    backward: (dy, x, w, a, b) => {
      const g = backward(s, dy, x, w, a, b, x)
      return [g.x.map((v, i) => v + g.x2[i]), g.w, g.a, g.b, ...(bias ? [g.bias] : [])]
    },
  })
}

test('loraLinear: the gradients of the reference are those of its differences', async () => {
  const device = await openTestDevice()
  const value = values()
  const s = { lead: [2, 2], out: 3, inputs: 5, r: 2, scaling: 0.5 }
  await checkOp(device, {
    name: 'loraLinear',
    inputs: [...inputsOf(s, value), value([2, 2, 5]), value([3])],
    run: (x, w, A, B, input, b) => loraLinear(x, w, b, { A, B, scaling: 0.5, input }),
    forward: (x, w, a, b, x2, c) => forward(s, x, w, a, b, x2, c),
  })
})

test('loraLinear: ranks 1 to 64, odd shapes, multiples of 4 and over a tile, with and without bias; both kernels', async () => {
  const device = await openTestDevice()
  const value = values()
  await bothForms(device, async (form) => {
    for (const [lead, out, inputs, r] of [
      [[1], 1, 1, 1],
      [[3], 5, 7, 2],
      [[2, 9], 33, 17, 3],
      [[4, 10], 36, 64, 4],
      [[2, 33], 68, 132, 8],
      [[13], 65, 40, 16],
      [[5, 7], 12, 130, 33],
      [[67], 64, 64, 64],
    ] as const)
      for (const bias of [true, false]) await check(device, form, { lead: [...lead], out, inputs, r, scaling: 2 / 3 }, bias, value)
  })
})

test('loraLinear: random shapes and ranks', async () => {
  const device = await openTestDevice()
  const value = values()
  const size = sizes()
  await bothForms(device, async (form) => {
    for (let i = 0; i < 5; i++) {
      const s = { lead: [size(4), size(30)], out: size(70), inputs: size(70), r: size(20), scaling: size(16) / 8 }
      await check(device, form, s, i % 2 === 0, value)
    }
  })
})

test("loraLinear: an input of its own for the adapter: x gets the frozen path's gradient, the input the adapter's", async () => {
  const device = await openTestDevice()
  const value = values()
  await bothForms(device, async (form) => {
    for (const s of [
      { lead: [3], out: 5, inputs: 7, r: 3, scaling: 2 },
      { lead: [2, 20], out: 36, inputs: 68, r: 8, scaling: 0.5 },
    ])
      await checkOp(device, {
        name: `own input [${s.lead}, ${s.inputs}], ${form}`,
        inputs: [...inputsOf(s, value), value([...s.lead, s.inputs]), value([s.out])],
        run: (x, w, A, B, input, b) => loraLinear(x, w, b, { A, B, scaling: s.scaling, input }),
        forward: (x, w, a, b, x2, c) => forward(s, x, w, a, b, x2, c),
        backward: (dy, x, w, a, b, x2) => {
          const g = backward(s, dy, x, w, a, b, x2)
          return [g.x, g.w, g.a, g.b, g.x2, g.bias]
        },
      })
  })
})

test('loraLinear: x, its own input and W in half floats, adapters and gradients in f32; both kernels', async () => {
  const device = await openTestDevice()
  const value = values()
  await bothForms(device, async (form) => {
    for (const s of [
      { lead: [3], out: 5, inputs: 7, r: 3, scaling: 2 },
      { lead: [2, 20], out: 36, inputs: 68, r: 8, scaling: 0.5 },
    ])
      for (const own of [false, true])
        await checkOp(device, {
          name: `half floats [${s.lead}, ${s.inputs}]${own ? ', own input' : ''}, ${form}`,
          inputs: [...inputsOf(s, value), value([...s.lead, s.inputs]), value([s.out])],
          run: (x, w, A, B, input, b) => loraLinear(x, w, b, { A, B, scaling: s.scaling, input: own ? input : undefined }),
          forward: (x, w, a, b, x2, c) => forward(s, x, w, a, b, own ? x2 : x, c),
          backward: (dy, x, w, a, b, x2) => {
            const g = backward(s, dy, x, w, a, b, own ? x2 : x)
            return [own ? g.x : g.x.map((v, i) => v + g.x2[i]), g.w, g.a, g.b, own ? g.x2 : null, g.bias]
          },
          half: [0, 1, 4],
        })
  })
})

test('loraLinear: dropout on the adapter input: y, dx and dA see the mask, the frozen path does not', async () => {
  const device = await openTestDevice()
  const value = values()
  const s = { lead: [3, 7], out: 9, inputs: 20, r: 4, scaling: 2 }
  const [p, state] = [0.25, [1, 2, 3, 0]]
  const factor = Float64Array.from(keepMask(21 * 20, p, state, 6), (v) => v / (1 - p))
  const drop = { state: Tensor.from(device, state, [4], 'u32'), stream: 6 }
  await checkOp(device, {
    name: 'adapter dropout',
    inputs: inputsOf(s, value),
    run: (x, w, A, B) => loraLinear(x, w, null, { A, B, scaling: 2, input: dropout(x, p, drop) }),
    forward: (x, w, a, b) =>
      forward(
        s,
        x,
        w,
        a,
        b,
        x.map((v, i) => v * factor[i]),
      ),
    backward: (dy, x, w, a, b) => {
      const g = backward(
        s,
        dy,
        x,
        w,
        a,
        b,
        x.map((v, i) => v * factor[i]),
      )
      return [g.x.map((v, i) => v + factor[i] * g.x2[i]), g.w, g.a, g.b]
    },
  })
})

test('addLowRank: terms of parts of wider rows, by products of their own and by shared ones', async () => {
  const device = await openTestDevice()
  const value = values()
  const size = sizes()
  await productForms(device, async (form) => {
    for (const [rows, out, inputs, r] of [
      [5, 3, 7, 1],
      [19, 12, 20, 4],
      [70, 36, 64, 8],
      [size(30), size(40), size(40), size(9)],
    ])
      for (const [how, gap] of [
        ['apart', 2],
        ['together', 0],
      ] as const) {
        const name = `addLowRank [${rows}, ${inputs}] to ${out} of ${3 * out}, r ${r}, ${how}, ${form}`
        const s = { lead: [rows], out, inputs, r, scaling: 0.5 }
        const width = 3 * out
        // The first and the last third of each row of y.
        const third = (all: Float64Array, i: number) => all.filter((_, at) => Math.floor((at % width) / out) === 2 * i)
        const part = ({ data }: Value, i: number, size: number) =>
          Float64Array.from(data.subarray(i * (size + gap), i * (size + gap) + size))
        const [sizeA, sizeB] = [r * inputs, out * r]
        const shapes = [[rows, width], [rows, inputs], [2 * sizeA + gap], [2 * sizeB + gap], [rows, width]]
        const [ys, xs, as, bs, dys] = shapes.map((shape) => value(shape))
        const x = Tensor.from(device, xs.data, xs.shape).requireGrad()
        const y = Tensor.from(device, ys.data, ys.shape).requireGrad()
        const A = sideBySide(device, 2, [r, inputs], as, gap)
        const B = sideBySide(device, 2, [out, r], bs, gap)
        const sum = addLowRank(
          y,
          [0, 1].map((i) => ({ A: A[i], B: B[i], scaling: s.scaling, input: x, column: 2 * i * out })),
        )
        sum.backward(Tensor.from(device, dys.data, dys.shape))
        const [exactX, dy] = [xs.data, dys.data].map((data) => Float64Array.from(data))
        const wanted = Float64Array.from(ys.data)
        const none = new Float64Array(out * inputs)
        const all = [0, 1].map((i) => {
          const [a, b] = [part(as, i, sizeA), part(bs, i, sizeB)]
          forward(s, exactX, none, a, b, exactX).forEach((v, at) => (wanted[Math.floor(at / out) * width + 2 * i * out + (at % out)] += v))
          return backward(s, third(dy, i), exactX, none, a, b, exactX)
        })
        const dx = all[0].x2.map((v, at) => v + all[1].x2[at])
        assert.close(await sum.data(), wanted, 1e-5, `${name}: y`)
        assert.equal(await gradients([y]), [...dys.data], `${name}: dy`)
        assert.close(await gradients([x]), dx, 1e-5, `${name}: dx`)
        for (const i of [0, 1]) {
          assert.close(await gradients([A[i]]), all[i].a, 1e-5, `${name}: dA ${i}`)
          assert.close(await gradients([B[i]]), all[i].b, 1e-5, `${name}: dB ${i}`)
        }
      }
  })
})

test('addLowRank: terms of one input share their products where A and B lie together', async () => {
  const device = await openTestDevice()
  const make = (...shape: number[]) => Tensor.from(device, new Float32Array(shape.reduce((n, d) => n * d, 1)), shape)
  const x = make(6, 8).requireGrad()
  const zeros = (size: number) => ({ shape: [size], data: new Float32Array(size) })
  const [A, B] = [sideBySide(device, 2, [4, 8], zeros(64)), sideBySide(device, 2, [12, 4], zeros(96))]
  const term = (i: number) => ({ A: A[i], B: B[i], scaling: 2, input: x, column: 24 * i })
  const count = (terms: Parameters<typeof addLowRank>[1]) => dispatches(device, () => addLowRank(make(6, 36), terms)).length
  assert.is(count([]), 0)
  assert.is(count([term(0)]), 2)
  assert.is(count([term(0), term(1)]), 2)
  assert.is(count([term(0), { ...term(1), scaling: 1 }]), 4, 'another scale')
  assert.is(count([term(0), { ...term(1), input: make(6, 8) }]), 4, 'an input of its own')
  assert.is(count([term(0), { ...term(1), A: make(4, 8) }]), 4, 'A elsewhere')
  assert.is(count([term(1), term(0)]), 4, 'in another order')
  const y = addLowRank(make(6, 36), [term(0), term(1)])
  const ops = dispatches(device, () => y.backward(make(6, 36))).map(({ op }) => op)
  assert.equal(
    ops.filter((op) => op.startsWith('lora')),
    ['lora.dh', 'lora.dx', 'lora.dA', 'lora.dB'],
  )
})

test('loraLinear: frozen tensors cost no gradient product, and get none', async () => {
  const device = await openTestDevice()
  const value = values()
  const s = { lead: [6], out: 4, inputs: 8, r: 4, scaling: 1 }
  const backwardOps = (trained: string) => {
    const [x, w, A, B] = inputsOf(s, value).map(({ data, shape }) => Tensor.from(device, data, shape))
    const bias = Tensor.from(device, value([4]).data)
    const all = { x, w, A, B, bias }
    for (const [name, t] of Object.entries(all)) t.requireGrad(trained.split(' ').includes(name))
    const y = loraLinear(x, w, bias, { A, B, scaling: 1 })
    const seed = Tensor.from(device, new Float32Array(24), [6, 4])
    const made = dispatches(device, () => y.backward(seed)).map((d) => d.op)
    for (const [name, t] of Object.entries(all))
      assert.is(t.grad !== null, trained.split(' ').includes(name), `${trained}: gradient of ${name}`)
    return made
  }
  assert.equal(backwardOps('A B'), ['lora.dh', 'lora.dA', 'lora.dB'])
  assert.equal(backwardOps('x A B'), ['lora.dh', 'lora.dx', 'lora.dA', 'lora.dB', 'linear.dx'])
  assert.equal(backwardOps('B'), ['lora.dB'])
  assert.equal(backwardOps('A'), ['lora.dh', 'lora.dA'])
  assert.equal(backwardOps('bias'), ['linear.db'])
})

test('loraLinear: shapes that do not fit are an error', async () => {
  const device = await openTestDevice()
  const make = (...shape: number[]) => Tensor.from(device, new Float32Array(shape.reduce((n, d) => n * d, 1)), shape)
  const run = (A: Tensor, B: Tensor, bias: Tensor | null = null) => loraLinear(make(2, 3), make(4, 3), bias, { A, B, scaling: 1 })
  assert.throws(() => run(make(2, 4), make(4, 2)), /loraLinear: A: wanted \[r, 3\], got \[2,4\]/)
  assert.throws(() => run(make(2, 3), make(4, 3)), /loraLinear: B: wanted \[4, 2\], got \[4,3\]/)
  assert.throws(() => run(make(2, 3), make(4, 2), make(3)), /linear: bias: wanted \[4\], got \[3\]/)
  const input = make(3, 3)
  assert.throws(
    () => loraLinear(make(2, 3), make(4, 3), null, { A: make(2, 3), B: make(4, 2), scaling: 1, input }),
    /loraLinear: input: wanted \[2,3\], got \[3,3\]/,
  )
  assert.throws(
    () => loraLinear(make(2, 5), make(4, 3), null, { A: make(2, 3), B: make(4, 2), scaling: 1 }),
    /loraLinear: the last dimension of x: wanted 3, got \[2,5\]/,
  )
})
