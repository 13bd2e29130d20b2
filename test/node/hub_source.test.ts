// What a name stands for, a folder or a repository on the hub; and the hub's files in a page without storage.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { memoryFiles, openSource } from '../../src/io'
import { openClient } from '../../src/io/hub_client'
import { askCommit, askListing } from '../../src/io/hub_listing'
import { openStore as openPageStore } from '../../src/io/hub_store.browser'
import { assert, test } from '../harness'
import { bytes, commit, quick, small, text, weights, withHub } from './hub_fixture'

test('a source: Files as they are, a folder before the hub, else the hub; an error says both', () =>
  withHub([small], async ({ server, cacheDir }) => {
    const options = { endpoint: server.url, cacheDir, token: false } as const
    const given = memoryFiles('m')
    assert.is(await openSource(given, options), given)
    const before = process.cwd()
    process.chdir(cacheDir)
    try {
      mkdirSync('owner/small', { recursive: true })
      writeFileSync('owner/small/config.json', 'of the folder')
      writeFileSync('owner/file', '')
      assert.is(text(await (await openSource('owner/small', options)).read('config.json')), 'of the folder')
      assert.equal(server.seen, [])
      rmSync('owner/small', { recursive: true })
      assert.is(text(await (await openSource('owner/small', options)).read('config.json')), '{"a":1}')
      await assert.rejects(
        () => openSource('owner/file', options),
        /there is no folder "owner\/file", and the hub gave nothing: the hub has no model owner\/file/,
      )
    } finally {
      process.chdir(before)
    }
    server.seen.length = 0
    for (const source of ['a/b/c', './x', '/x', '', 'a--b', 'a..b', 'a/b.git', 'C:\\x', 'a\0b', 'x'.repeat(97)])
      await assert.rejects(
        () => openSource(source, options),
        /there is no folder .*, nor can it be a name on the hub \(wanted owner\/name\)/,
      )
    assert.equal(server.seen, [])
  }))

test('in a page without storage: ranges of the hub, nothing kept, and a notice says so', () =>
  withHub([small], async ({ server, cacheDir, downloads }) => {
    const repo = { id: 'owner/small', type: 'model', revision: 'main' } as const
    const client = await openClient(repo, { endpoint: server.url, token: false }, quick)
    const store = await openPageStore(repo)
    const notices: string[] = []
    const files = store.files(await askCommit(client), await askListing(client, commit), client, { notice: (n) => notices.push(n) })
    assert.is(await files.size('model.safetensors'), weights.length)
    assert.equal([...(await files.read('model.safetensors', 1000, 1004))], [...weights.subarray(1000, 1004)])
    assert.equal(
      downloads().map((d) => d.range),
      ['bytes=1000-1003', 'bytes=1000-1003'],
    )
    assert.is(text(await files.read('config.json')), '{"a":1}')
    assert.is((await files.read('empty.txt')).length, 0)
    await assert.rejects(() => files.read('model.safetensors', 0, 200_001), /the file ends at byte 200000, wanted 200001/)
    await assert.rejects(() => files.read('none'), /owner\/small: there is no file none/)
    await assert.rejects(async () => files.read('../x'), /not a plain name/)
    let cuts = 1
    server.fault = (s) => (s.host === 'cdn' && cuts-- > 0 ? { cutAt: 60_000 } : undefined)
    assert.is(Buffer.compare(await files.read('model.safetensors'), weights), 0)
    server.fault = (s) => (s.host === 'cdn' ? { status: 200, body: weights } : undefined)
    await assert.rejects(() => files.read('model.safetensors', 5, 9), /answer has more than 4 bytes/)
    server.fault = (s) => (s.host === 'hub' ? { body: bytes('short') } : undefined)
    await assert.rejects(() => files.read('config.json'), /config\.json: wanted 7 bytes, got 5/)
    await assert.rejects(async () => store.files(commit), /nothing of owner\/small, commit 0123.* is in this page's storage/)
    assert.is(notices.length, 1)
    assert.match(notices[0], /^owner\/small\/model\.safetensors is not kept in this page's storage: .*has no storage of its own .*https/)
    assert.equal(readdirSync(cacheDir), [])
  }))
