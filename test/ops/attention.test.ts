import { Tensor } from '../../src/graph'
import { attention, selfAttention } from '../../src/ops/attention'
import { keepMask } from '../../src/ops/dropout'
import { assert, openTestDevice, rng, test } from '../harness'
import { bothForms, checkOp, sizes, values } from './check'

// Software drivers take seconds to compile the kernels without a matrix.
const slow = { timeoutMs: 900_000 }

interface Form {
  batch: number
  length: number
  heads: number
  d: number
  mask?: Int32Array
  /** Factor on each probability: keep / (1 − p). */
  drop?: (at: number) => number
}

type Heads = (x: Float64Array, b: number, head: number, i: number) => Float64Array

/** Rows of one head inside [batch, length, heads·d]. */
const rows =
  ({ length, heads, d }: Form): Heads =>
  (x, b, head, i) =>
    x.subarray(((b * length + i) * heads + head) * d, ((b * length + i) * heads + head + 1) * d)
const dot = (a: Float64Array, b: Float64Array) => a.reduce((s, v, i) => s + v * b[i], 0)

/** P of each query, before dropout. */
function probabilities(form: Form, q: Float64Array, k: Float64Array, b: number, head: number, i: number): Float64Array {
  const { length, d, mask } = form
  const at = rows(form)
  const s = Array.from({ length }, (_, j) => dot(at(q, b, head, i), at(k, b, head, j)) / Math.sqrt(d))
  const kept = s.map((_, j) => !mask || mask[b * length + j] === 1)
  const peak = Math.max(...s.filter((_, j) => kept[j]))
  const e = Float64Array.from(s, (v, j) => (kept[j] ? Math.exp(v - peak) : 0))
  const sum = e.reduce((t, v) => t + v, 0)
  return sum ? e.map((v) => v / sum) : e
}

function each({ batch, length, heads }: Form, body: (b: number, head: number, i: number, place: number) => void): void {
  for (let b = 0; b < batch; b++)
    for (let head = 0; head < heads; head++) for (let i = 0; i < length; i++) body(b, head, i, ((b * heads + head) * length + i) * length)
}

const forward = (form: Form) => (q: Float64Array, k: Float64Array, v: Float64Array) => {
  const o = new Float64Array(q.length)
  const { drop = () => 1 } = form
  const at = rows(form)
  each(form, (b, head, i, place) =>
    probabilities(form, q, k, b, head, i).forEach((p, j) =>
      at(v, b, head, j).forEach((x, c) => (at(o, b, head, i)[c] += p * drop(place + j) * x)),
    ),
  )
  return o
}

// dV = (P∘Z)ᵀ·dO; dP = Z∘(dO·Vᵀ); dS = P∘(dP − Σ P∘dP)/√d; dQ = dS·K; dK = dSᵀ·Q.
const backward = (form: Form) => (dout: Float64Array, q: Float64Array, k: Float64Array, v: Float64Array) => {
  const { d, drop = () => 1 } = form
  const at = rows(form)
  const [dq, dk, dv] = [q, k, v].map((x) => new Float64Array(x.length))
  const addTo = (to: Float64Array, factor: number, from: Float64Array) => from.forEach((x, c) => (to[c] += factor * x))
  each(form, (b, head, i, place) => {
    const p = probabilities(form, q, k, b, head, i)
    const g = at(dout, b, head, i)
    const dp = p.map((_, j) => drop(place + j) * dot(g, at(v, b, head, j)))
    const mean = dot(p, dp)
    p.forEach((pj, j) => {
      const ds = (pj * (dp[j] - mean)) / Math.sqrt(d)
      addTo(at(dv, b, head, j), pj * drop(place + j), g)
      addTo(at(dq, b, head, i), ds, at(k, b, head, j))
      addTo(at(dk, b, head, j), ds, at(q, b, head, i))
    })
  })
  return [dq, dk, dv]
}

test('attention: the gradients of the reference are those of its differences', async () => {
  const device = await openTestDevice()
  const value = values()
  const form = { batch: 1, length: 3, heads: 2, d: 2, mask: Int32Array.from([1, 1, 0]) }
  const mask = Tensor.from(device, form.mask, [1, 3], 'i32')
  const inputs = [value([1, 3, 4]), value([1, 3, 4]), value([1, 3, 4])]
  await checkOp(device, { name: 'attention', inputs, run: (q, k, v) => attention(q, k, v, { heads: 2, mask }), forward: forward(form) })
})

test(
  'attention: one token, odd lengths and heads, padded tails, a fully masked row, over one tile; both kernels',
  async () => {
    const device = await openTestDevice()
    const random = rng()
    const value = values()
    const size = sizes()
    await bothForms(device, async (kernels) => {
      for (const [batch, length, heads, d] of [
        [1, 1, 1, 3],
        [1, 5, 2, 7],
        [3, 9, 3, 5],
        [2, 33, 2, 16],
        [4, 36, 4, 8],
        [2, 67, 1, 20],
        [1, 70, 2, 32],
        [size(3), size(40), size(3), size(20)],
        [size(3), size(40), size(3), size(20)],
      ])
        for (const masked of [false, true]) {
          const bits = Int32Array.from({ length: batch * length }, () => 1)
          // Row 0 is all padding (where there are several), the others have tails.
          for (let b = 0; b < batch; b++) bits.fill(0, b * length + (batch > 1 && b === 0 ? 0 : random.int(1, length)), (b + 1) * length)
          const form: Form = { batch, length, heads, d, mask: masked ? bits : undefined }
          const mask = masked ? Tensor.from(device, bits, [batch, length], 'i32') : null
          const shape = [batch, length, heads * d]
          await checkOp(device, {
            name: `attention [${shape}] in ${heads} heads${masked ? ', masked' : ''}, ${kernels}`,
            inputs: [value(shape), value(shape), value(shape)],
            run: (q, k, v) => attention(q, k, v, { heads, mask }),
            forward: forward(form),
            backward: backward(form),
          })
        }
    })
  },
  slow,
)

test(
  'attention: wide heads, and heads too wide for the kernels without a matrix',
  async () => {
    const device = await openTestDevice()
    const value = values()
    const flag = device as { software: boolean }
    const own = flag.software
    flag.software = false
    try {
      for (const [batch, length, heads, d] of [
        [1, 37, 2, 64],
        [1, 9, 1, 100],
        [1, 5, 1, 132],
      ]) {
        const form: Form = { batch, length, heads, d }
        const shape = [batch, length, heads * d]
        await checkOp(device, {
          name: `attention [${shape}] in ${heads} heads`,
          inputs: [value(shape), value(shape), value(shape)],
          run: (q, k, v) => attention(q, k, v, { heads }),
          forward: forward(form),
          backward: backward(form),
        })
      }
    } finally {
      flag.software = own
    }
  },
  slow,
)

test(
  'attention: dropout on the probabilities, the same in forward and backward; both kernels',
  async () => {
    const device = await openTestDevice()
    const value = values()
    const state = [7, 8, 9, 0]
    await bothForms(device, async (kernels) => {
      for (const [batch, length, heads, d, p] of [
        [2, 13, 3, 6, 0.3],
        [2, 37, 3, 8, 0.3],
      ]) {
        const keep = keepMask(batch * heads * length * length, p, state, 4)
        const bits = Int32Array.from({ length: batch * length }, (_, i) => (i % length < length - 4 ? 1 : 0))
        const form: Form = { batch, length, heads, d, mask: bits, drop: (at) => keep[at] / (1 - p) }
        const dropout = { p, rng: { state: Tensor.from(device, state, [4], 'u32'), stream: 4 } }
        const mask = Tensor.from(device, bits, [batch, length], 'i32')
        const shape = [batch, length, heads * d]
        await checkOp(device, {
          name: `attention [${shape}] with dropout, ${kernels}`,
          inputs: [value(shape), value(shape), value(shape)],
          run: (q, k, v) => attention(q, k, v, { heads, dropout, mask }),
          forward: forward(form),
          backward: backward(form),
        })
      }
    })
  },
  slow,
)

test(
  'attention of half floats: y, and gradients in f32; masked, with dropout; both kernels',
  async () => {
    const device = await openTestDevice()
    const value = values()
    const size = sizes()
    const [p, state] = [0.3, [7, 8, 9, 0]]
    await bothForms(device, async (kernels) => {
      for (const [batch, length, heads, d] of [
        [1, 1, 1, 3],
        [3, 9, 3, 5],
        [2, 37, 3, 8],
        [1, 70, 2, 36],
        [size(3), size(40), size(3), size(20)],
      ]) {
        const keep = keepMask(batch * heads * length * length, p, state, 4)
        const bits = Int32Array.from({ length: batch * length }, (_, i) => (i % length === 0 || i % length < length - 4 ? 1 : 0))
        const form: Form = { batch, length, heads, d, mask: bits, drop: (at) => keep[at] / (1 - p) }
        const dropout = { p, rng: { state: Tensor.from(device, state, [4], 'u32'), stream: 4 } }
        const mask = Tensor.from(device, bits, [batch, length], 'i32')
        const shape = [batch, length, heads * d]
        await checkOp(device, {
          name: `attention of half floats [${shape}] in ${heads} heads, ${kernels}`,
          inputs: [value(shape, 1), value(shape, 1), value(shape)],
          run: (q, k, v) => attention(q, k, v, { heads, dropout, mask }),
          forward: forward(form),
          backward: backward(form),
          half: [0, 1, 2],
          // Without the matrix Σ P∘dP comes from y, a half float.
          tolerance: 2e-3,
        })
      }
    })
  },
  slow,
)

test('attention: shapes that do not fit are an error', async () => {
  const device = await openTestDevice()
  const make = (shape: number[]) => Tensor.from(device, new Float32Array(shape.reduce((n, d) => n * d, 1)), shape)
  const x = make([2, 3, 4])
  assert.throws(() => attention(make([3, 4]), x, x, { heads: 2 }), /attention: q: wanted \[batch, length, hidden\], got \[3,4\]/)
  assert.throws(() => attention(x, make([2, 3, 2]), x, { heads: 2 }), /attention: k: wanted \[2,3,4\], got \[2,3,2\]/)
  const half = Tensor.empty(device, x.shape, 'test', 'f16')
  assert.throws(() => attention(x, half, x, { heads: 2 }), /attention: k: wanted f32, got f16/)
  assert.throws(() => attention(x, x, x, { heads: 3 }), /attention: hidden size: wanted a multiple of 3 heads, got 4/)
  assert.throws(() => attention(x, x, x, { heads: 2, mask: make([2, 2]) }), /attention: mask: wanted \[2, 3\], got \[2,2\]/)
})

test(
  'selfAttention: q, k and v side by side in rows are q, k and v apart, to the bit; both kernels',
  async () => {
    const device = await openTestDevice()
    const value = values()
    const size = sizes()
    await bothForms(device, async (kernels) => {
      for (const [batch, length, heads, d] of [
        [2, 9, 3, 5],
        [3, 36, 2, 8],
        [2, 40, 1, 36],
        [size(3), size(30), size(3), size(20)],
      ]) {
        const hidden = heads * d
        const mask = Tensor.from(
          device,
          Int32Array.from({ length: batch * length }, (_, i) => (i % 4 ? 1 : 0)),
          [batch, length],
          'i32',
        )
        const state = Tensor.from(device, [1, 2, 3, 0], [4], 'u32')
        const options = { heads, mask, dropout: { p: 0.2, rng: { state, stream: 3 } } }
        const data = value([batch, length, 3 * hidden]).data
        const part = (all: Float32Array, i: number) => all.filter((_, at) => Math.floor((at % (3 * hidden)) / hidden) === i)
        const qkv = Tensor.from(device, data, [batch, length, 3 * hidden]).requireGrad()
        const apart = [0, 1, 2].map((i) => Tensor.from(device, part(data, i), [batch, length, hidden]).requireGrad())
        const seed = Tensor.from(device, value([batch, length, hidden]).data, [batch, length, hidden])
        const [q, k, v] = apart
        const [one, other] = [selfAttention(qkv, options), attention(q, k, v, options)]
        assert.equal(one.shape, other.shape)
        assert.equal(await one.data(), await other.data(), `o, ${kernels}`)
        for (const y of [one, other]) y.backward(seed)
        const gradient = await (qkv.grad as Tensor).data()
        for (const i of [0, 1, 2])
          assert.equal(
            part(gradient, i),
            await (apart[i].grad as Tensor).data(),
            `${batch} × ${heads} × (${length} × ${d}), ${i}, ${kernels}`,
          )
      }
    })
  },
  slow,
)
