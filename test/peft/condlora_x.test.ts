import type { Device } from '../../src/gpu'
import { Tensor } from '../../src/graph'
import { memoryFiles } from '../../src/io'
import { Pass } from '../../src/nn/pass'
import { getPeftModel, type PeftConfig } from '../../src/peft'
import { firstTokenTerm } from '../../src/peft/condlora_x'
import { assert, openTestDevice, rng, test } from '../harness'
import { checkOp, sizes } from '../ops/check'
import { tinyModel, tinyTokens } from '../tiny'

/** Θx·(x[b, t]·x[b, 0])·factor in float64. */
function reference(x: ArrayLike<number>, theta: ArrayLike<number>, [batch, length, inputs]: number[], factor: number): Float64Array {
  const out = new Float64Array(batch * length * theta.length)
  for (let b = 0; b < batch; b++)
    for (let t = 0; t < length; t++) {
      let product = 0
      for (let i = 0; i < inputs; i++) product += x[(b * length + t) * inputs + i] * x[b * length * inputs + i]
      for (let o = 0; o < theta.length; o++) out[(b * length + t) * theta.length + o] = factor * product * theta[o]
    }
  return out
}

test('type2’s term: y and both gradients against float64, on odd shapes', async () => {
  const device = await openTestDevice()
  const size = sizes()
  const shapes = [[1, 1, 1, 1], [2, 1, 5, 3], [3, 7, 70, 65], ...Array.from({ length: 4 }, () => [size(4), size(9), size(24), size(24)])]
  for (const [batch, length, inputs, outputs] of shapes) {
    const random = rng()
    const shape = [batch, length, inputs]
    await checkOp(device, {
      name: `[${shape}], θ [${outputs}]`,
      inputs: [
        { shape, data: random.normal(batch * length * inputs, 1) },
        { shape: [outputs, 1], data: random.normal(outputs, 1) },
      ],
      run: (x, theta) => firstTokenTerm(x, theta, 0.7),
      forward: (x, theta) => reference(x, theta, shape, 0.7),
      backward: (dy, x, theta) => {
        const [dx, dtheta] = [new Float64Array(x.length), new Float64Array(outputs)]
        for (let row = 0; row < batch * length; row++) {
          const first = Math.floor(row / length) * length * inputs
          let [pulled, product] = [0, 0]
          for (let o = 0; o < outputs; o++) pulled += 0.7 * dy[row * outputs + o] * theta[o]
          for (let i = 0; i < inputs; i++) {
            product += x[row * inputs + i] * x[first + i]
            dx[row * inputs + i] += pulled * x[first + i]
            dx[first + i] += pulled * x[row * inputs + i]
          }
          for (let o = 0; o < outputs; o++) dtheta[o] += 0.7 * dy[row * outputs + o] * product
        }
        return [dx, dtheta]
      },
    })
  }
})

async function random(device: Device, config: PeftConfig) {
  const model = await getPeftModel(await tinyModel(device), config)
  for (const [, tensor] of model.parameters.trained()) tensor.write(rng().normal(tensor.size, 0.2))
  return model
}

test('a layer with dropout: W0, adapter and first token all see the same dropped input', async () => {
  const device = await openTestDevice()
  const p = 0.4
  const model = await random(device, { peftType: 'CONDLORA', r: 3, useX: 'type2', loraDropout: p, dropoutPlacement: 'input' })
  const [layer] = model.base.encoder.linears()
  const x = Tensor.from(device, rng().normal(2 * 5 * 20, 1), [2, 5, 20])
  const rngState = Tensor.from(device, [5, 6, 1, 0], [4], 'u32')
  const dropped = await new Pass({ rngState }).dropout(x, p).data()
  assert.ok(dropped.some((value) => value === 0))
  const y = await layer.forward(x, model.pass(model.prepare(), { rngState })).data()
  const still = await random(device, { peftType: 'CONDLORA', r: 3, useX: 'type2' })
  for (const [name, tensor] of model.parameters.byName) still.parameters.get(name).write(await tensor.data())
  const wanted = await layer.forward(Tensor.from(device, dropped, x.shape), still.pass(still.prepare())).data()
  assert.close(y, wanted, 1e-5)
})

test('type2 cannot be merged or written as LoRA, and says why and what to do; the adapter goes on as before', async () => {
  const model = await random(await openTestDevice(), { peftType: 'CONDLORA', useX: 'type2' })
  const before = [...(await (await model(tinyTokens)).data())]
  const why = /useX "type2" cannot be merged or written as LoRA: .*first token.*Keep the adapter beside its base/
  assert.throws(() => model.mergeAdapter(), why)
  await assert.rejects(() => model.mergeAndUnload(), why)
  await assert.rejects(() => model.savePretrained(memoryFiles('as-lora'), { as: 'lora' }), why)
  assert.equal([...(await (await model(tinyTokens)).data())], before)
})

test('one Θx for all layers: shapes that do not go together are refused by their layers’ names', async () => {
  const base = await tinyModel(await openTestDevice())
  const wide = { peftType: 'CONDLORA' as const, conversion: 'rectangular' as const, targetModules: ['query', 'layer.1.output.dense'] }
  await assert.rejects(
    () => getPeftModel(base, { ...wide, useX: 'type1' }),
    /"type1".* as many columns: .*0.attention.self.query has 20, .*1.output.dense 28/,
  )
  const tall = { ...wide, targetModules: ['query', 'intermediate.dense'] }
  await assert.rejects(
    () => getPeftModel(base, { ...tall, useX: 'type2' }),
    /"type2".* as many rows: .*query has 20, .*intermediate.dense 28/,
  )
})
