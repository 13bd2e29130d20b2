import { checkPath, memoryFiles, parseJson, readJson } from '../../src/io'
import { assert, test } from '../harness'

const bytes = (text: string) => new TextEncoder().encode(text)

test('memory files: list, size, read a range, write bytes and streams', async () => {
  const files = memoryFiles('m', [['a', Uint8Array.of(1, 2, 3, 4)]])
  const given = Uint8Array.of(9, 8)
  await files.write('b/c', given)
  given[0] = 0
  await files.write(
    'd',
    (async function* () {
      yield Uint8Array.of(5)
      yield Uint8Array.of(6, 7)
    })(),
  )
  assert.equal((await files.list()).sort(), ['a', 'b/c', 'd'])
  assert.is(await files.size('d'), 3)
  assert.is(await files.size('none'), undefined)
  assert.equal([...(await files.read('a', 1, 3))], [2, 3])
  assert.equal([...(await files.read('b/c'))], [9, 8])
  assert.equal([...(await files.read('d'))], [5, 6, 7])
  const copy = await files.read('a')
  copy[0] = 99
  assert.is((await files.read('a'))[0], 1)
  assert.is(copy.buffer.byteLength, 4)
  await assert.rejects(() => files.read('none'), /m: there is no file none/)
  await assert.rejects(() => files.read('a', 2, 9), /m\/a: the file ends at byte 4, wanted 9/)
})

for (const path of ['', '/a', '../a', 'a/../b', 'a//b', './a', 'a/.', 'a\\b', 'a\0', 'C:a'])
  test(`the name ${JSON.stringify(path)} is refused`, async () => {
    await assert.rejects(() => checkPath(path), /not a plain name inside its folder/)
    await assert.rejects(() => memoryFiles('m').write(path, bytes('x')), /not a plain name/)
    await assert.rejects(() => memoryFiles('m').read(path), /not a plain name/)
  })

test('JSON: bounded in size and depth, an object, UTF-8', async () => {
  const read = (text: string | Uint8Array, most?: number) =>
    readJson(memoryFiles('m', [['x.json', typeof text === 'string' ? bytes(text) : text]]), 'x.json', most)
  assert.equal(await read('{"a":[1,"]}[{"]}'), { a: [1, ']}[{'] })
  assert.equal(await read('\uFEFF{}'), {})
  await assert.rejects(() => read('{"a":1}', 5), /m\/x\.json: 7 bytes are too many for a JSON file \(at most 5\)/)
  await assert.rejects(() => read(`{"a":${'['.repeat(64)}${']'.repeat(64)}}`), /m\/x\.json: the JSON is nested too deeply/)
  await assert.rejects(() => read('[1]'), /m\/x\.json: wanted a JSON object/)
  await assert.rejects(() => read('{'), /m\/x\.json: this is not valid JSON/)
  await assert.rejects(() => read(Uint8Array.of(123, 10, 255, 125)), /m\/x\.json, line 2: this is not UTF-8 text/)
  await assert.rejects(() => readJson(memoryFiles('m'), 'x.json'), /m: there is no file x\.json/)
  assert.equal(parseJson('{"a":{"b":1}}', 'text'), { a: { b: 1 } })
})
