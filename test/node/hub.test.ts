// Repositories on the hub: layout of the cache, revisions, tokens, refusals, offline.
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openHub } from '../../src/io'
import { assert, test } from '../harness'
import { bytes, commit, quick, small, text, weights, withEnv, withHub } from './hub_fixture'
import { gitHash, type Listed, type Repo, sha256 } from './hub_server'

const other = 'fedcba9876543210fedcba9876543210fedcba98'
const secret = 'hf_theSecretOfTheTest'

test('a repository: listed over several pages, sizes and ranges; only what is read is fetched', () =>
  withHub([small], async ({ open, folder, downloads }) => {
    const files = await open()
    assert.equal((await files.list()).sort(), Object.keys(small.files).sort())
    assert.is(await files.size('model.safetensors'), weights.length)
    assert.is(await files.size('none'), undefined)
    assert.equal(downloads(), [])
    assert.is(text(await files.read('config.json', 1, 4)), '"a"')
    assert.equal(
      downloads().map((d) => d.path),
      [`/owner/small/resolve/${commit}/config.json`],
    )
    assert.equal([...(await files.read('model.safetensors', 1000, 1003))], [...weights.subarray(1000, 1003)])
    await files.read('sub/folder/notes.txt')
    assert.is(downloads().length, 4)
    assert.is((await files.read('empty.txt')).length, 0)
    await assert.rejects(() => files.read('config.json', 0, 99), /config\.json: the file ends at byte 7, wanted 99/)
    await assert.rejects(() => files.read('none'), /owner\/small: there is no file none/)
    await assert.rejects(() => files.write('x', bytes('x')), /owner\/small: files on the hub cannot be written here/)
    // The layout of Python's cache.
    assert.equal(readdirSync(folder).sort(), ['blobs', 'refs', 'snapshots', 'trees'])
    const blobs = [sha256(weights), ...['config.json', 'sub/folder/notes.txt', 'empty.txt'].map((p) => gitHash(small.files[p]))]
    assert.equal(readdirSync(join(folder, 'blobs')).sort(), blobs.sort())
    assert.is(readFileSync(join(folder, 'refs', 'main'), 'utf8'), commit)
    const snapshot = join(folder, 'snapshots', commit)
    assert.is(readlinkSync(join(snapshot, 'model.safetensors')), `../../blobs/${sha256(weights)}`)
    assert.is(readlinkSync(join(snapshot, 'sub/folder/notes.txt')), `../../../../blobs/${gitHash(bytes('notes'))}`)
    const tree = JSON.parse(readFileSync(join(folder, 'trees', `${commit}.json`), 'utf8'))
    assert.is(tree.format_version, 1)
    assert.equal(tree.files['config.json'], { size: 7, blob_id: gitHash(small.files['config.json']) })
    const { lfs_sha256, lfs_size } = tree.files['model.safetensors']
    assert.equal([lfs_sha256, lfs_size], [sha256(weights), weights.length])
  }))

test('what is in the cache is not fetched again, and many reads at once fetch once', () =>
  withHub([small], async ({ open, downloads, server }) => {
    const files = await open()
    await Promise.all([0, 1, 2, 3].map((i) => files.read('model.safetensors', i, i + 9)))
    await Promise.all([open(), open()].map(async (f) => (await f).read('config.json')))
    assert.equal(
      downloads()
        .map((d) => d.host)
        .sort(),
      ['cdn', 'hub', 'hub'],
    )
    server.seen.length = 0
    await (await open()).read('model.safetensors')
    assert.equal(
      server.seen.map((s) => s.path),
      ['/api/models/owner/small/revision/main'],
    )
    server.seen.length = 0
    await (await open({ revision: commit })).read('model.safetensors')
    assert.equal(server.seen, [])
  }))

const tagged: Repo = { ...small, refs: { 'v1.0': other, 'refs/pr/1': other } }

test('revisions: branch, tag, pull request, commit; a branch that moved', () =>
  withHub([{ ...tagged }], async ({ open, folder, server }) => {
    for (const revision of ['v1.0', 'refs/pr/1', other, 'main']) await (await open({ revision })).read('config.json')
    assert.equal(readdirSync(join(folder, 'refs')).sort(), ['main', 'refs', 'v1.0'])
    assert.is(readFileSync(join(folder, 'refs/refs/pr/1'), 'utf8'), other)
    assert.equal(readdirSync(join(folder, 'snapshots')).sort(), [commit, other])
    await assert.rejects(() => open({ revision: 'none' }), /the model owner\/small has no revision "none"/)
    for (const revision of ['../x', '/x', 'a/../../b', '', 'a\\b'])
      await assert.rejects(() => open({ revision }), /openHub: revision: wanted a branch, a tag or a commit, got /)
    server.fault = (s) => (s.path.endsWith('/main') ? { body: bytes(`{"sha":"${other}"}`) } : undefined)
    await (await open()).read('config.json')
    assert.is(readFileSync(join(folder, 'refs/main'), 'utf8'), other)
    server.fault = (s) => (s.path.endsWith('/main') ? { body: bytes('{"sha":"../../x"}') } : undefined)
    await assert.rejects(() => open(), /owner\/small: the hub names no commit for revision "main", got "..\/..\/x"/)
  }))

test('offline after one success: by option and by HF_HUB_OFFLINE, without a single request', () =>
  withHub([small], async ({ open, server, cacheDir }) => {
    await (await open()).read('config.json')
    server.seen.length = 0
    const check = async (options: { localFilesOnly?: boolean }) => {
      const files = await open(options)
      assert.is(text(await files.read('config.json')), '{"a":1}')
      assert.is(await files.size('model.safetensors'), weights.length)
      await assert.rejects(
        () => files.read('model.safetensors'),
        /owner\/small\/model\.safetensors: the file is not in the cache .*run once with the network/,
      )
      const nothing = new RegExp(
        `nothing of the model owner/new, revision main, is in the cache ${cacheDir}, and the network is not allowed`,
      )
      await assert.rejects(() => open(options, 'owner/new'), nothing)
      await assert.rejects(() => open({ ...options, revision: other }), /nothing of the model owner\/small, revision fedc/)
    }
    await check({ localFilesOnly: true })
    await withEnv({ HF_HUB_OFFLINE: '1' }, () => check({}))
    assert.equal(server.seen, [])
    await withEnv({ HF_HUB_OFFLINE: '1' }, () => open({ localFilesOnly: false }))
    assert.is(server.seen.length, 1)
  }))

test('a cache that Python filled, without a list of its files: what is there is used', () =>
  withHub([small], async ({ open, folder }) => {
    await (await open()).read('config.json')
    rmSync(join(folder, 'trees'), { recursive: true })
    const files = await open({ localFilesOnly: true })
    assert.equal(await files.list(), ['config.json'])
    assert.is(text(await files.read('config.json')), '{"a":1}')
    assert.is(await files.size('model.safetensors'), undefined)
  }))

test('a hub that is down: the cache is used with a notice; without one an error says what to do', () =>
  withHub([small], async ({ open, server }) => {
    await (await open()).read('config.json')
    await server.close()
    const notices: string[] = []
    const files = await open({ notice: (n) => notices.push(n) })
    assert.is(text(await files.read('config.json')), '{"a":1}')
    assert.is(notices.length, 1)
    assert.match(
      notices[0],
      /the hub \(http:\/\/127\.0\.0\.1:\d+\) cannot be reached: .*ECONNREFUSED.* Going on with owner\/small, commit 0123456789/,
    )
    await assert.rejects(
      () => open({}, 'owner/new'),
      /cannot be reached: .*Check the network and HF_ENDPOINT; localFilesOnly or HF_HUB_OFFLINE=1/,
    )
  }))

const gated: Repo = { ...small, id: 'owner/gated', gated: true }

test('gated, refused and missing: errors that name the token and the page', () =>
  withHub(
    [small, gated],
    async ({ open, server }) => {
      const page = `${server.url}/owner/gated`
      await assert.rejects(
        () => open({}, 'owner/gated'),
        new RegExp(
          `the model owner/gated may not be read without a token: it is gated or private. Ask for access at ${page}, then give a token .*HF_TOKEN`,
        ),
      )
      server.fault = (s) => (s.path.includes('/resolve/') ? { status: 403, headers: { 'X-Error-Code': 'GatedRepo' } } : undefined)
      const listed = await open({ token: secret }, 'owner/gated')
      await assert.rejects(() => listed.read('config.json'), new RegExp(`may not be read with the token that was given: .*${page}`))
      server.fault = undefined
      assert.is(text(await listed.read('config.json')), '{"a":1}')
      await assert.rejects(
        () => open({ token: 'hf_wrong' }),
        /the hub refuses the token that was given \(option token, or HF_TOKEN\) for the model owner\/small: make a new one/,
      )
      await assert.rejects(
        () => open({}, 'owner/none'),
        /the hub has no model owner\/none, or it is private or gated: check the name, .*owner\/none and give a token/,
      )
      await assert.rejects(() => open({ token: secret }, 'owner/none'), /the hub has no model owner\/none \(http.*\); check the name/)
      server.fault = (s) => (s.path.includes('/resolve/') ? { status: 404, headers: { 'X-Error-Code': 'EntryNotFound' } } : undefined)
      await assert.rejects(async () => (await open()).read('config.json'), /the hub has no file owner\/small\/config\.json/)
    },
    secret,
  ))

test('the token goes to the endpoint alone: by option or HF_TOKEN, on no redirect, into no file and no message', () =>
  withHub(
    [gated],
    async ({ open, server, cacheDir }) => {
      const messages: string[] = []
      await withEnv({ HF_TOKEN: ` ${secret}\n` }, async () => {
        const files = await open({ token: undefined })
        await files.read('model.safetensors')
        server.fault = (s) => (s.path.includes('config') ? { status: 403 } : undefined)
        await files.read('config.json').catch((e) => messages.push(String(e.stack)))
      })
      const hub = server.seen.filter((s) => s.host === 'hub')
      assert.ok(hub.length >= 4 && hub.every((s) => s.authorization === `Bearer ${secret}`))
      const cdn = server.seen.filter((s) => s.host === 'cdn')
      assert.equal(
        cdn.map((s) => s.authorization),
        [undefined],
      )
      server.fault = (s) => (s.path.includes('/revision/') ? { status: 307, headers: { Location: 'ftp://127.0.0.1/x' } } : undefined)
      await open({ token: secret }).catch((e) => messages.push(String(e.stack)))
      await open({ token: `${secret}\u00e4` }).catch((e) => messages.push(String(e.stack)))
      await assert.rejects(() => open({ token: `${secret} x` }), /the hub token .* holds a character that no token has/)
      assert.is(messages.length, 3)
      assert.ok(messages.every((m) => !m.includes(secret)))
      for (const path of readdirSync(cacheDir, { recursive: true }).map((p) => join(cacheDir, String(p))))
        if (lstatSync(path).isFile()) assert.not.ok(readFileSync(path, 'latin1').includes(secret), path)
      server.fault = undefined
      server.seen.length = 0
      await withEnv({ HF_TOKEN: secret }, () => open({ token: false }).catch(() => {}))
      assert.equal(
        server.seen.map((s) => s.authorization),
        [undefined],
      )
    },
    secret,
  ))

test('names from the hub that leave the folder are left out and refused; wrong sizes and hashes are errors', () => {
  const evil = (path: string): Listed => ({ type: 'file', path, size: 4, oid: gitHash(bytes('evil')) })
  const names = ['../evil', 'a/../../evil', '/evil', 'a\\..\\evil', 'C:evil', './evil', '']
  const repo: Repo = { ...small, listed: (entries) => [...entries, ...names.map(evil)] }
  return withHub([repo], async ({ open, server, cacheDir }) => {
    const files = await open()
    assert.equal((await files.list()).sort(), Object.keys(small.files).sort())
    for (const name of names) {
      await assert.rejects(async () => files.read(name), /is not a plain name inside its folder/)
      await assert.rejects(async () => files.size(name), /is not a plain name inside its folder/)
    }
    assert.equal(readdirSync(cacheDir), ['models--owner--small'])
    for (const change of [
      { oid: '../../../evil' },
      { size: -1 },
      { size: 2 ** 60 },
      { size: 1.5 },
      { lfs: { oid: 'A'.repeat(64), size: 4, pointerSize: 1 } },
    ]) {
      rmSync(join(cacheDir, 'models--owner--small'), { recursive: true, force: true })
      const entry = { ...evil('x'), ...change }
      server.fault = (s) => (s.path.includes('/tree/') ? { body: bytes(JSON.stringify([entry])) } : undefined)
      await assert.rejects(() => open(), /owner\/small\/x: wanted a size and hashes in the hub's list, got /)
    }
  })
})

test('a list that claims 8 TB for a small file: refused before anything is allocated', () => {
  const listed = (entries: Listed[]) => entries.map((e) => ({ ...e, size: 2 ** 43, lfs: undefined }))
  return withHub([{ ...small, listed }], async ({ open }) => {
    await assert.rejects(async () => (await open()).read('config.json'), /wanted 8796093022208 bytes from 0 on, the hub sends 7 bytes/)
  })
})

test('a list without end is refused', () =>
  withHub([small], async ({ open, server }) => {
    server.fault = (s) =>
      s.path.includes('/tree/') ? { body: bytes('[]'), headers: { Link: `<${server.url}${s.path}>; rel="next"` } } : undefined
    await assert.rejects(() => open(), /owner\/small: the hub's list of files has more than 1000 pages/)
  }))

test('endpoint and cache from the environment, a data set, a redirect within the hub', () =>
  withHub([{ ...small, type: 'dataset' }, small], async ({ server, cacheDir }) => {
    const hub = { HF_ENDPOINT: `${server.url}/`, HF_TOKEN: undefined, HF_HUB_OFFLINE: undefined, HUGGINGFACE_HUB_CACHE: undefined }
    const read = async (options = {}) => text(await (await openHub('owner/small', options, quick)).read('config.json'))
    await withEnv({ ...hub, HF_HOME: join(cacheDir, 'home'), HF_HUB_CACHE: undefined }, () => read({ repoType: 'dataset' }))
    assert.ok(existsSync(join(cacheDir, 'home/hub/datasets--owner--small/refs/main')))
    await withEnv({ ...hub, HF_HOME: join(cacheDir, 'home'), HF_HUB_CACHE: join(cacheDir, 'cache') }, () => read())
    assert.ok(existsSync(join(cacheDir, 'cache/models--owner--small/refs/main')))
    server.fault = (s) =>
      s.path.startsWith('/api/models/old/') ? { status: 307, headers: { Location: s.path.replace('old', 'owner/small') } } : undefined
    await withEnv({ ...hub, HF_HUB_CACHE: cacheDir }, () => openHub('old', {}, quick))
    await withEnv({ ...hub, HF_HUB_CACHE: '' }, () => assert.rejects(() => read(), /HF_HUB_CACHE: wanted a folder, got an empty name/))
    for (const HF_ENDPOINT of ['nonsense', 'ftp://127.0.0.1', 'http://user:pass@127.0.0.1', 'http://127.0.0.1/?a=b'])
      await withEnv({ ...hub, HF_ENDPOINT }, () => assert.rejects(() => read({ cacheDir }), /^HF_ENDPOINT: wanted an address such as/))
  }))
