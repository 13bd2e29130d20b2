import type { Device } from '../../src/gpu'
import { checkpoint, Tensor } from '../../src/graph'
import { type AttentionOptions, attention } from '../../src/ops/attention'
import { fusedAttention, isFused } from '../../src/ops/attention_fused'
import { matrixAttention } from '../../src/ops/attention_matrix'
import { assert, openTestDevice, rng, test } from '../harness'
import { dispatches, refused } from './check'

// Software drivers take seconds to compile these kernels.
const slow = { timeoutMs: 900_000 }
const [batch, length, heads, d] = [2, 61, 3, 8]
const sizes = { batch, length, heads, d }
const shape = [batch, length, heads * d]
const matrix = 4 * batch * heads * length * length

/** Inputs, a mask (one sequence without keys), dropout, and a gradient. */
async function given() {
  const device = await openTestDevice()
  const random = rng()
  const numbers = () => Tensor.from(device, random.normal(batch * length * heads * d), shape)
  const mask = Tensor.from(
    device,
    Int32Array.from({ length: batch * length }, (_, i) => (i < length ? 0 : random.int(0, 1))),
    [batch, length],
    'i32',
  )
  const dropout = { p: 0.2, rng: { state: Tensor.from(device, [1, 2, 3, 0], [4], 'u32'), stream: 6 } }
  const qkv = [numbers(), numbers(), numbers()].map((t) => t.requireGrad())
  return { device, qkv, mask, dropout, g: numbers(), options: { heads, mask, dropout } as AttentionOptions }
}

/** `body` with the kernels for GPUs, whatever computes. */
async function asOnGpus<T>(device: Device, body: () => Promise<T>): Promise<T> {
  const flag = device as { software: boolean }
  const own = flag.software
  flag.software = false
  try {
    return await body()
  } finally {
    flag.software = own
  }
}

const gradients = async (tensors: Tensor[]) => {
  const all = await Promise.all(tensors.map((t) => (t.grad as Tensor).data()))
  for (const t of tensors) t.grad = null
  return all
}

test(
  'attention without its matrix is attention with it: the same keys, the same random numbers',
  async () => {
    const { qkv, mask, dropout, g } = await given()
    for (const drop of [null, dropout]) {
      const both: Float32Array[][] = []
      for (const form of [matrixAttention, fusedAttention]) {
        const y = form(qkv, sizes, { mask, dropout: drop })
        y.backward(g)
        both.push([await y.data(), ...(await gradients(qkv))])
      }
      both[0].forEach((wanted, i) => assert.close(both[1][i], wanted, 1e-5, `${drop ? 'dropout, ' : ''}${['y', 'dq', 'dk', 'dv'][i]}`))
      const masked = [both[1][0], both[1][2], both[1][3]]
      for (const t of masked)
        assert.ok(
          t.subarray(0, t.length / batch).every((x) => x === 0),
          'exactly zero where there are no keys',
        )
    }
  },
  slow,
)

test(
  'attention without its matrix: a recorded step holds no matrix, replays to the bits of eager, and with checkpointing too',
  async () => {
    const { device, qkv, g, options } = await given()
    const [q, k, v] = qkv
    await asOnGpus(device, async () => {
      const once = (body: (q: Tensor) => Tensor) => {
        const y = body(q)
        y.backward(g)
        return [y, ...qkv.map((t) => t.grad as Tensor)]
      }
      const plain = (x: Tensor) => attention(x, k, v, options)
      const eager = await Promise.all(once(plain).map((t) => t.data()))
      for (const body of [plain, (x: Tensor) => checkpoint(x, plain)]) {
        for (const t of qkv) t.grad = null
        const { recording, result } = await device.record(
          'step',
          () => once(body),
          (all) => all.map((t) => t.storage),
        )
        const bytes = recording.commands.flatMap(({ bindings }) => bindings.map((b) => b.storage.size))
        assert.ok(Math.max(...bytes) < matrix / 2, `${Math.max(...bytes)} bytes in one storage, the matrix has ${matrix}`)
        for (let i = 0; i < 2; i++) {
          await recording.replay()
          const again = await Promise.all(result.map((t) => t.data()))
          again.forEach((t, j) => assert.equal(t, eager[j]))
        }
        recording.dispose()
      }
      for (const t of qkv) t.grad = null
    })
  },
  slow,
)

test(
  'attention without its matrix: only what is asked for, and inputs that begin inside a tensor',
  async () => {
    const { device, qkv, g, mask, dropout } = await given()
    const terms = { mask, dropout }
    for (const dtype of ['f32', 'f16'] as const) {
      const numbers = await Promise.all(qkv.map((t) => t.data()))
      const whole = numbers.map((data) => Tensor.from(device, data, shape, dtype))
      if (dtype === 'f16' && refused(device, () => fusedAttention(whole, sizes, terms))) return
      const n = whole[0].size
      const [wide, starts] = [Tensor.empty(device, [3 * n + 64], 'test', dtype), [4, n + 8, 2 * n + 12]]
      const views = starts.map((start) => wide.view(shape, start))
      const all = new Float32Array(wide.size)
      for (const [i, data] of numbers.entries()) all.set(data, starts[i])
      wide.write(all)
      const gradientsOf = async (inputs: Tensor[], which: number[]) => {
        inputs.forEach((t, i) => t.requireGrad(which.includes(i)))
        const y = fusedAttention(inputs, sizes, terms)
        const ops = dispatches(device, () => y.backward(g)).map((x) => x.op)
        return { ops: ops.filter((op) => op !== 'gradient'), found: await gradients(which.map((i) => inputs[i])) }
      }
      const every = await gradientsOf(whole, [0, 1, 2])
      assert.equal(every.ops, ['attention.dropout', 'attention.dots', 'attention.dq', 'attention.dkv'])
      assert.equal((await gradientsOf(views, [0, 1, 2])).found, every.found)
      const onlyQ = await gradientsOf(whole, [0])
      assert.equal(onlyQ.ops, ['attention.dropout', 'attention.dots', 'attention.dq'])
      assert.equal(onlyQ.found, [every.found[0]])
      const onlyV = await gradientsOf(whole, [2])
      assert.equal(onlyV.ops, ['attention.dropout', 'attention.dkv'])
      assert.equal(onlyV.found, [every.found[2]])
    }
  },
  slow,
)

test('attention: where its matrix is made', async () => {
  const { device, qkv } = await given()
  const on = (software: boolean, limit = 128 << 20) => {
    const { minStorageBufferOffsetAlignment } = device.limits
    return { software, limits: { maxStorageBufferBindingSize: limit, minStorageBufferOffsetAlignment } } as unknown as Device
  }
  const large = { batch: 4, length: 1024, heads: 12, d: 32 }
  assert.ok(isFused(on(false), sizes, qkv))
  assert.not(isFused(on(true), sizes, qkv), 'small, on a processor')
  assert.ok(isFused(on(true), large, qkv), 'a matrix of 192 MiB')
  for (const other of [{ d: 132 }, { d: 30 }]) assert.not(isFused(on(false), { ...sizes, ...other }, qkv))
  assert.not(isFused(on(false, 1 << 20), large, qkv), 'more than a binding')
  assert.not(isFused(on(false), sizes, [qkv[0].view([1], 2)]), 'inside a vec4')
})
