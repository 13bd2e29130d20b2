import { type Files, memoryFiles } from '../../src/io'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { encoderConfig } from '../../src/models/config'
import { metaModel } from '../../src/models/meta'
import { assert, openTestDevice, test } from '../harness'
import { tinyConfig } from '../tiny'

/** A model of many words whose weights are all 0: no memory holds its file. `reads` gets the length of every read of it. */
function zeros(words: number, reads: number[]): Files {
  const config = { ...tinyConfig, vocab_size: words }
  let at = 0
  const header = [...metaModel(encoderConfig(config, 'zeros')).encoder.tensors].map(([name, { shape, size }]) => {
    const from = at
    at += 4 * size
    return [`roberta.${name}`, { dtype: 'F32', shape, data_offsets: [from, at] }]
  })
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)))
  const head = new Uint8Array(8 + text.length)
  new DataView(head.buffer).setBigUint64(0, BigInt(text.length), true)
  head.set(text, 8)
  const path = 'model.safetensors'
  const small = memoryFiles('zeros', [
    ['config.json', new TextEncoder().encode(JSON.stringify(config))],
    [path, new Uint8Array()],
  ])
  const total = head.length + at
  return {
    ...small,
    size: async (name) => (name === path ? total : small.size(name)),
    read: async (name, from = 0, to = total) => {
      if (name !== path) return small.read(name, from, to === total ? undefined : to)
      reads.push(to - from)
      const bytes = new Uint8Array(to - from)
      if (from < head.length) bytes.set(head.subarray(from, to))
      return bytes
    },
  }
}

test('weights are never in one big buffer: a large file is read once, in pieces of 16 MiB at most', async () => {
  const reads: number[] = []
  const files = zeros(500_000, reads)
  const device = await openTestDevice()
  await AutoModelForSequenceClassification.fromPretrained(files, { device, notice: () => {} })
  const total = reads.reduce((sum, length) => sum + length, 0)
  assert.is(total, await files.size('model.safetensors'))
  assert.ok(total > 40e6, `${total} bytes`)
  assert.is(Math.max(...reads), 16 << 20)
})
