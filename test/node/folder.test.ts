import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFile, openFolder } from '../../src/io'
import { assert, test } from '../harness'

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'condlora-folder-'))
  try {
    await body(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (s: string) => new TextEncoder().encode(s)

test('a folder: made by the first write, lists, reads ranges, leaves no temporary files', () =>
  inFolder(async (folder) => {
    const files = openFolder(join(folder, 'new'))
    assert.is(existsSync(join(folder, 'new')), false)
    await files.write('sub/a.txt', bytes('hello'))
    await files.write(
      'b.txt',
      (async function* () {
        yield bytes('one ')
        yield bytes('two')
      })(),
    )
    await files.write('sub/a.txt', bytes('hello again'))
    assert.equal(await files.list(), ['b.txt', 'sub/a.txt'])
    assert.equal(readdirSync(join(folder, 'new')), ['b.txt', 'sub'])
    assert.is(await files.size('b.txt'), 7)
    assert.is(await files.size('sub'), undefined)
    assert.is(await files.size('b.txt/none'), undefined)
    assert.is(text(await files.read('sub/a.txt', 6)), 'again')
    assert.is(text(await files.read('b.txt', 4, 6)), 'tw')
    await assert.rejects(() => files.read('b.txt', 0, 9), /cannot read .*b\.txt: the file ends at byte 7, wanted 9/)
    await assert.rejects(() => files.read('none'), /cannot read .*none: there is no such file or folder/)
    await assert.rejects(() => files.read('sub'), /cannot read .*sub/)
  }))

test('a write that fails leaves the old file and nothing else', () =>
  inFolder(async (folder) => {
    const files = openFolder(folder)
    await files.write('a', bytes('old'))
    const broken = (async function* () {
      yield bytes('half')
      throw new Error('the source broke')
    })()
    await assert.rejects(() => files.write('a', broken), /cannot write .*a: the source broke/)
    assert.is(readFileSync(join(folder, 'a'), 'utf8'), 'old')
    assert.equal(readdirSync(folder), ['a'])
  }))

test('output below a regular file: one clear error', () =>
  inFolder(async (folder) => {
    writeFileSync(join(folder, 'file'), '')
    const wanted = /cannot write .*x\.txt: a part of the path is a file, not a folder/
    await assert.rejects(() => openFolder(join(folder, 'file')).write('x.txt', bytes('x')), wanted)
    await assert.rejects(() => openFolder(join(folder, 'file', 'deeper')).write('x.txt', bytes('x')), wanted)
    await assert.rejects(() => openFolder(join(folder, 'none')).list(), /cannot list .*none: there is no such file or folder/)
  }))

test('names that leave the folder are refused, links to files count', () =>
  inFolder(async (folder) => {
    mkdirSync(join(folder, 'blobs'))
    mkdirSync(join(folder, 'snapshot'))
    writeFileSync(join(folder, 'blobs', 'b1'), 'linked')
    symlinkSync(join('..', 'blobs', 'b1'), join(folder, 'snapshot', 'config.json'))
    const files = openFolder(join(folder, 'snapshot'))
    assert.equal(await files.list(), ['config.json'])
    assert.is(text(await files.read('config.json')), 'linked')
    for (const path of ['../blobs/b1', '/etc/hostname', 'a\\b', 'a\0b']) {
      await assert.rejects(async () => files.read(path), /not a plain name inside its folder/)
      await assert.rejects(async () => files.write(path, bytes('x')), /not a plain name inside its folder/)
    }
    const { files: parent, path } = openFile(join(folder, 'blobs', 'b1'))
    assert.is(text(await parent.read(path)), 'linked')
  }))
