import type { Command } from '../../src/gpu/commands'
import { roundSize, Storage } from '../../src/gpu/memory'
import { plan } from '../../src/gpu/plan'
import { assert, rng, test } from '../harness'

const home = { name: 'test' }

function command(...storages: Storage[]): Command {
  return { op: 'x', bindings: storages.map((storage) => ({ storage, offset: 0, size: storage.size })) } as unknown as Command
}

test('random lists: storages alive at once never share, each buffer is large enough, existing ones are used', () => {
  const random = rng()
  for (let round = 0; round < 50; round++) {
    const storages = Array.from({ length: 60 }, () => new Storage(4 * random.int(1, 3000), 'x', home))
    const commands = Array.from({ length: 100 }, (_, i) => {
      const from = Math.floor((i / 100) * 50)
      return command(...Array.from({ length: random.int(1, 4) }, () => storages[from + random.int(0, 9)]))
    })
    const existing = Array.from({ length: random.int(0, 5) }, () => roundSize(4 * random.int(1, 3000)))
    const { places, added } = plan(commands, existing, roundSize)
    const sizes = [...existing, ...added.map((a) => a.size)]
    const life = new Map<Storage, [number, number]>()
    commands.forEach((c, i) => {
      for (const { storage } of c.bindings) life.set(storage, [life.get(storage)?.[0] ?? i, i])
    })
    assert.is(places.size, life.size)
    for (const [s, [start, end]] of life) {
      const place = places.get(s) as number
      assert.ok(sizes[place] >= s.size, 'large enough')
      for (const [t, [first, last]] of life)
        if (t !== s && places.get(t) === place)
          assert.ok(last < start || first > end, `[${start}, ${end}] and [${first}, ${last}] share a buffer`)
    }
    assert.ok(added.length < life.size, 'buffers are shared')
  }
})

test('a chain takes two buffers however long it is; a second recording takes those of the first', () => {
  const chain = Array.from({ length: 20 }, () => new Storage(1000, 'relu', home))
  const commands = chain.slice(1).map((s, i) => command(s, chain[i]))
  const first = plan(commands, [], roundSize)
  assert.equal(
    first.added,
    [1, 2].map(() => ({ size: 1024, op: 'relu' })),
  )
  assert.is(plan(commands, [1024, 1024], roundSize).added.length, 0)
  assert.is(plan(commands, [4096, 4096], roundSize).added.length, 0, 'rather a large one that is there than one more')
})

test('small storages fill the times that large ones leave; what earlier lists left is taken by the largest that fits it', () => {
  const [a, b, c, d] = [1000, 1000, 4000, 4000].map((size) => new Storage(size, 'x', home))
  const commands = [command(a, b), command(c, d)]
  assert.equal(
    plan(commands, [], roundSize).added.map((x) => x.size),
    [4096, 4096],
  )
  // With the 4096 given to the small one, which comes first, the large one would need another.
  const [small, large] = [new Storage(1000, 'x', home), new Storage(4000, 'x', home)]
  const { places, added } = plan([command(small), command(small, large)], [4096], roundSize)
  assert.equal([places.get(large), places.get(small)], [0, 1])
  assert.equal(
    added.map((x) => x.size),
    [1024],
  )
})
