import { memoryFiles, openCheckpoint, readTensor } from '../../src/io'
import { writeSafetensors } from '../../src/io/safetensors_write'
import { assert, test } from '../harness'

const shard = (name: string, value: number) => writeSafetensors([{ name, shape: [1], data: Float32Array.of(value) }])
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
const index = (map: unknown) => ['model.safetensors.index.json', json({ metadata: {}, weight_map: map })] as [string, Uint8Array]

test('one file, or the shards of an index, in one map', async () => {
  const single = await openCheckpoint(memoryFiles('m', [['model.safetensors', shard('a', 1)]]))
  assert.equal([...single.keys()], ['a'])
  const entries: [string, Uint8Array][] = [
    index({ a: 'one.safetensors', b: 'sub/two.safetensors' }),
    ['one.safetensors', shard('a', 1)],
    ['sub/two.safetensors', shard('b', 2)],
  ]
  const sharded = await openCheckpoint(memoryFiles('m', entries))
  const values = await Promise.all([...sharded.values()].map(async (e) => [e.name, (await readTensor(e))[0]]))
  assert.equal(values, [
    ['a', 1],
    ['b', 2],
  ])
})

for (const name of ['../secret.safetensors', '/etc/passwd', 'a\\b.safetensors', 'C:x', 'a/../../b', 'x\0y'])
  test(`a shard outside its folder is refused: ${JSON.stringify(name)}`, async () => {
    const files = memoryFiles('m', [index({ a: name })])
    const read: string[] = []
    const watched = {
      ...files,
      read: (path: string, start?: number, end?: number) => {
        read.push(path)
        return files.read(path, start, end)
      },
    }
    await assert.rejects(
      () => openCheckpoint(watched),
      /model\.safetensors\.index\.json: the file name .* is not a plain name inside its folder/,
    )
    assert.equal([...new Set(read)], ['model.safetensors.index.json'])
  })

test('an index that lies', async () => {
  await assert.rejects(() => openCheckpoint(memoryFiles('m', [index(7)])), /weight_map: wanted an object, got 7/)
  await assert.rejects(() => openCheckpoint(memoryFiles('m', [index({ a: 7 })])), /a: wanted a file name, got 7/)
  await assert.rejects(
    () => openCheckpoint(memoryFiles('m', [index({ a: 'x.safetensors' })])),
    /the shard x\.safetensors that it names is missing/,
  )
  const wrong: [string, Uint8Array][] = [index({ b: 'x.safetensors' }), ['x.safetensors', shard('a', 1)]]
  await assert.rejects(() => openCheckpoint(memoryFiles('m', wrong)), /m\/x\.safetensors: tensor b is missing/)
})

test('a pickle is never opened: the error says how to convert it', async () => {
  const files = memoryFiles('m', [['pytorch_model.bin', new Uint8Array(9)]])
  const unread = { ...files, read: async () => assert.unreachable('the pickle was read') as never }
  await assert.rejects(
    () => openCheckpoint(unread),
    /there is no model\.safetensors, only pytorch_model\.bin.*\n.*import torch\n.*save_file[\s\S]*weights_only=True/,
  )
  await assert.rejects(
    () => openCheckpoint(memoryFiles('m', [['adapter_model.bin', new Uint8Array(9)]]), 'adapter_model'),
    /no adapter_model\.safetensors, only adapter_model\.bin/,
  )
  await assert.rejects(() => openCheckpoint(memoryFiles('m')), /^m: there is no model\.safetensors$/)
})
