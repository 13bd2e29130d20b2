import { Recent } from '../../src/models/recent'
import { Replays } from '../../src/models/replay'
import { Pass } from '../../src/nn/pass'
import { assert, openTestDevice, test } from '../harness'
import { tinyModel } from '../tiny'

test('the values asked for last are kept, the others dropped', async () => {
  const dropped: string[] = []
  const made: string[] = []
  const recent = new Recent<string>(2, (value) => dropped.push(value))
  const get = (key: string) =>
    recent.get(key, async () => {
      made.push(key)
      return key
    })
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) assert.is(await get(key), key)
  assert.equal(
    [made, dropped],
    [
      ['a', 'b', 'c', 'b'],
      ['b', 'c'],
    ],
  )
  await assert.rejects(
    recent.get('d', () => Promise.reject(new Error('not made'))),
    /not made/,
  )
  recent.remove((key) => key === 'a')
  recent.remove()
  assert.equal(dropped, ['b', 'c', 'a', 'b'])
})

test('replays are bounded, and their memory comes back', async () => {
  // Of its own: no garbage comes back in between.
  const device = await openTestDevice({})
  const [model, other] = [await tinyModel(device), await tinyModel(await openTestDevice())]
  const replays = new Replays(2)
  const route = { name: 'r', model, pass: () => new Pass() }
  const batch = (rows: number, length: number) => {
    const inputIds = Int32Array.from({ length: rows * length }, (_, i) => 5 + (i % 90))
    return { inputIds, attentionMask: inputIds.map(() => 1), tokenTypeIds: inputIds.map(() => 0), batch: rows, length }
  }
  const start = device.memory.stats.liveBytes
  const seen: number[] = []
  for (let round = 0; round < 3; round++) {
    for (const [rows, length] of [
      [5, 40],
      [4, 24],
      [3, 8],
      [7, 32],
    ]) {
      const given = batch(rows, length)
      const found = await (await replays.run(route, given)).data
      const wanted = await (await other.logits(given)).data()
      assert.is(found.length, rows * 2)
      assert.close(found, wanted, 1e-5)
    }
    seen.push(device.memory.stats.liveBytes)
  }
  assert.is(seen[2], seen[1])
  await replays.forget()
  await device.sync()
  assert.ok(device.memory.stats.liveBytes < seen[1] && device.memory.stats.liveBytes >= start)
  device.destroy()
})
