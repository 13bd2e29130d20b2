import type { Device } from '../../src/gpu'
import { noGrad, Tensor } from '../../src/graph'
import { add } from '../../src/ops/add'
import { attention } from '../../src/ops/attention'
import { convert, packedLayout } from '../../src/ops/conversion'
import { crossEntropy } from '../../src/ops/cross_entropy'
import { type DropoutRng, dropout } from '../../src/ops/dropout'
import { embedding, tokenRuns } from '../../src/ops/embedding'
import { firstToken } from '../../src/ops/first_token'
import { gelu } from '../../src/ops/gelu'
import { layerNorm } from '../../src/ops/layer_norm'
import { linear } from '../../src/ops/linear'
import { loraLinear } from '../../src/ops/lora_linear'
import { mul } from '../../src/ops/mul'
import { softmax } from '../../src/ops/softmax'
import { mean, sum } from '../../src/ops/sum'
import { tanh } from '../../src/ops/tanh'
import { assert, openTestDevice, rng, test } from '../harness'
import { bothForms } from './check'

const layers = 2

/** Sizes and numbers of a small random model and a batch, the same for every run. */
function draw() {
  const random = rng()
  const heads = random.int(1, 3)
  const hidden = heads * random.int(3, 24)
  const [batch, length, vocab, r] = [random.int(2, 5), random.int(9, 40), random.int(5, 60), random.int(1, 9)]
  const tokens = batch * length
  const normal = (...shape: number[]) => ({
    shape,
    data: random.normal(
      shape.reduce((n, d) => n * d, 1),
      0.3,
    ),
  })
  return {
    heads,
    hidden,
    r,
    shape: [batch, length],
    ids: Int32Array.from({ length: tokens }, () => random.int(0, vocab - 1)),
    mask: Int32Array.from({ length: tokens }, (_, i) => Number(i % length < 3 || random.next() < 0.8)),
    labels: Int32Array.from({ length: batch }, () => random.int(0, 2)),
    weights: normal(layers, 3, hidden, hidden),
    trained: {
      table: normal(vocab, hidden),
      gamma: normal(hidden),
      beta: normal(hidden),
      thetaA: normal(r, hidden),
      thetaB: normal(r, hidden),
      dense: normal(hidden, hidden),
      head: normal(3, hidden),
      bias: normal(3),
    },
  }
}

type Model = ReturnType<typeof draw>

/** Loss and all gradients of one training step, as bits: dropout, sums, embedding gradient, attention, shared thetas. */
async function step(m: Model, device: Device): Promise<string> {
  const { heads, hidden, r } = m
  const integers = (data: Int32Array, shape: number[]) => Tensor.from(device, data, shape, 'i32')
  const trained = Object.values(m.trained).map(({ data, shape }) => Tensor.from(device, data, shape).requireGrad())
  const [table, gamma, beta, thetaA, thetaB, dense, head, bias] = trained
  const state = Tensor.from(device, [5, 6, 7, 0], [4], 'u32')
  const stream = (n: number): DropoutRng => ({ state, stream: n })
  const { runs, order } = tokenRuns(m.ids)
  const sorted = { runs: integers(runs, [m.ids.length, 3]), order: integers(order, [m.ids.length]) }
  const block = Tensor.from(device, m.weights.data, m.weights.shape)
  const weight = (l: number, part: number) => block.view([hidden, hidden], (3 * l + part) * hidden * hidden)

  const packed = convert([weight(0, 0), weight(1, 0)], thetaA, thetaB, 'code')
  const at = packedLayout(layers, r, hidden, hidden)
  const adapters = [0, 1].map((l) => ({
    A: noGrad(() => packed.view([r, hidden], l * at.strideA)).requireGrad(),
    B: noGrad(() => packed.view([hidden, r], at.startB + l * at.strideB)).requireGrad(),
  }))
  let x = dropout(layerNorm(embedding(table, integers(m.ids, m.shape), sorted), gamma, beta), 0.2, stream(1))
  adapters.forEach((adapter, l) => {
    const query = loraLinear(x, weight(l, 0), null, { ...adapter, scaling: 2, input: dropout(x, 0.1, stream(10 + l)) })
    const [key, value] = [linear(x, weight(l, 1)), linear(x, weight(l, 2))]
    const options = { heads, mask: integers(m.mask, m.shape), dropout: { p: 0.1, rng: stream(20 + l) } }
    x = layerNorm(add(gelu(linear(attention(query, key, value, options), dense)), x), gamma, beta)
  })
  const logits = linear(tanh(firstToken(x)), head, bias)
  const loss = add(crossEntropy(logits, integers(m.labels, [m.shape[0]])), add(mean(mul(softmax(x), x)), sum(mul(bias, bias))))
  loss.backward()

  const gradient = new Float32Array(at.size)
  for (const [l, { A, B }] of adapters.entries()) {
    gradient.set(await (A.grad as Tensor).data(), l * at.strideA)
    gradient.set(await (B.grad as Tensor).data(), at.startB + l * at.strideB)
  }
  packed.backward(Tensor.from(device, gradient))
  const results = [loss, ...trained.map((t) => t.grad as Tensor)]
  return (await Promise.all(results.map(async (t) => new Uint32Array((await t.data()).buffer).join()))).join('|')
}

test('a random step with dropout, attention, embedding gradient and sums: the same bits twice and on a second device', async () => {
  const first = await openTestDevice()
  const second = await openTestDevice({})
  const model = draw()
  for (const device of [first, second])
    await bothForms(device, async (form) => {
      const bits = await step(model, device)
      assert.ok(
        bits.split('|').every((t) => t.split(',').some((word) => word !== '0')),
        `a result of zeros alone, ${form}`,
      )
      seen.set(form, (seen.get(form) ?? new Set()).add(bits).add(await step(model, device)))
    })
  for (const [form, bits] of seen) assert.is(bits.size, 1, form)
  second.destroy()
})

/** By form of the kernels: the different results seen. */
const seen = new Map<string, Set<string>>()
