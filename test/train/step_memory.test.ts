import type { Recording } from '../../src/gpu'
import type { Storage } from '../../src/gpu/memory'
import { plan } from '../../src/gpu/plan'
import type { PeftConfig } from '../../src/peft'
import { trainingArguments } from '../../src/train/arguments'
import { Engine } from '../../src/train/engine'
import { evenBatch } from '../../src/train/step_plan'
import { assert, openTestDevice, test } from '../harness'
import { adapted } from './start'

/** The list of a micro-batch: forward and backward. */
async function microBatch(config: PeftConfig, gradientCheckpointing = false): Promise<{ list: Recording; end: () => void }> {
  const device = await openTestDevice()
  const model = await adapted({ config, model: { num_hidden_layers: 4, hidden_size: 32, intermediate_size: 128 } })
  const engine = new Engine(model, trainingArguments({ gradientCheckpointing }))
  const lists = await engine.program.plan('first', evenBatch(model.base.config, 8, 32))
  const list = lists.find((l) => l.name.startsWith('first')) as Recording
  assert.ok(list.commands.length > 50 && device)
  return { list, end: () => engine.dispose() }
}

/** First and last command that uses each storage. */
function lives({ commands }: Recording): Map<Storage, { first: number; last: number }> {
  const all = new Map<Storage, { first: number; last: number }>()
  commands.forEach(({ bindings }, i) => {
    for (const { storage } of bindings) if (!storage.buffer) all.set(storage, { first: all.get(storage)?.first ?? i, last: i })
  })
  return all
}

for (const gradientCheckpointing of [false, true])
  test(`a step's buffers ${gradientCheckpointing ? 'with checkpointing ' : ''}take hardly more than what lives at once`, async () => {
    const { list, end } = await microBatch({ peftType: 'LORA' }, gradientCheckpointing)
    const all = [...lives(list)]
    const atOnce = list.commands.map((_, i) =>
      all.reduce((sum, [{ size }, { first, last }]) => sum + (first <= i && i <= last ? size : 0), 0),
    )
    const planned = plan(list.commands, [], (bytes) => bytes).added.reduce((sum, { size }) => sum + size, 0)
    const least = Math.max(...atOnce)
    assert.ok(planned >= least && planned < 1.15 * least, `${planned} bytes planned, ${least} live at once`)
    end()
  })

test('what only the gradient of a frozen weight would read is given back in forward; with a trained weight it is kept', async () => {
  const keeps = async (targetModules: string) => {
    const { list, end } = await microBatch({ peftType: 'LORA', targetModules })
    const loss = list.commands.findIndex(({ op }) => op === 'crossEntropy')
    const kept = (op: string) =>
      [...lives(list)].filter(([{ madeBy, size }, { last }]) => madeBy === op && size > 1000 && last > loss).length
    const counts = ['gelu', 'attention', 'attention.softmax'].map(kept)
    end()
    return counts
  }
  // Of four layers: the inputs of output.dense and of attention.output.dense, and P, which attention's own gradient needs; nothing
  // asks for that of the lowest layer unless its query is trained.
  assert.equal(await keeps('.*query'), [0, 0, 4])
  assert.equal(await keeps('.*layer\\.\\d+\\.output\\.dense'), [4, 0, 3])
  assert.equal(await keeps('.*attention\\.output\\.dense'), [0, 4, 3])
})
